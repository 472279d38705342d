//! LLaVA-1.5 (Liu et al. 2023) in the form of transformers: CLIP or SigLIP encoder over one square image, two linear
//! layers, Llama, Mistral or Qwen2 decoder.

mod config;
mod encoder;
pub(super) mod processor;

use stepwise_data::box_format::BoxFormat;

use super::facts::FamilyFacts;
use super::tower_names::{CONNECTOR, ENCODER, NAMES};
pub(super) use config::{Config, read as read_config};
pub(super) use encoder::Encoder;

/// Facts of the family.
pub(super) const FACTS: FamilyFacts = FamilyFacts {
    name: "LLaVA-1.5",
    model_types: &["llava"],
    processors: &["LlavaProcessor"],
    image_processors: &["CLIPImageProcessor", "SiglipImageProcessor", "LlavaImageProcessor"],
    read_processor: processor::read,
    image_options: &[],
    box_format: |_| BoxFormat::Percent,
    tokens: &[processor::IMAGE],
    is_structural: |token| token == processor::IMAGE,
    turn_end: "</s>",
    names: NAMES,
    encoder_modules: ENCODER,
    connector_modules: CONNECTOR,
};
