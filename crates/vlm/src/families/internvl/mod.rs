//! InternVL3 (Zhu et al. 2025) in the form of transformers: InternViT encoder over square tiles and the whole image, pixel
//! shuffle, two linear layers, Qwen2 decoder.

mod config;
mod encoder;
mod layer;
mod processor;
mod tower;

use stepwise_data::box_format::BoxFormat;

use super::facts::FamilyFacts;
use super::tower_names::{CONNECTOR, ENCODER, WITHOUT_VISION_MODEL};
pub(super) use config::{Config, read as read_config};
pub(super) use encoder::Encoder;

/// Facts of the family.
pub(super) const FACTS: FamilyFacts = FamilyFacts {
    name: "InternVL3",
    model_types: &["internvl"],
    processors: &["InternVLProcessor"],
    image_processors: &["GotOcr2ImageProcessor"],
    read_processor: processor::read,
    image_options: &["do_image_splitting"],
    box_format: |_| BoxFormat::PerMille,
    tokens: &[processor::FEATURE, processor::START, processor::END],
    is_structural: processor::is_structural,
    turn_end: "<|im_end|>",
    names: WITHOUT_VISION_MODEL,
    encoder_modules: ENCODER,
    connector_modules: CONNECTOR,
};
