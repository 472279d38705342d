//! Qwen3-VL (Bai et al. 2025, arXiv 2511.21631), dense: images of any size, an encoder with learned and rotary positions,
//! features of several encoder layers that are added between decoder layers (deepstack), Qwen3 decoder with interleaved
//! multimodal rotary positions.

mod config;
mod encoder;
mod positions;

use stepwise_data::box_format::BoxFormat;

use super::facts::{FamilyFacts, TensorNames};
use super::qwen::processor;
pub(super) use config::{Config, read as read_config};
pub(super) use encoder::Encoder;

/// Facts of the family. The models were released under the module names of transformers.
pub(super) const FACTS: FamilyFacts = FamilyFacts {
    name: "Qwen3-VL",
    model_types: &["qwen3_vl"],
    processors: &["Qwen3VLProcessor"],
    image_processors: &["Qwen2VLImageProcessor"],
    read_processor: processor::read,
    image_options: &["max_pixels", "min_pixels"],
    box_format: |_| BoxFormat::PerMille,
    tokens: &[processor::IMAGE, processor::START, processor::END],
    is_structural: processor::is_structural,
    turn_end: "<|im_end|>",
    names: TensorNames::STORED,
    encoder_modules: &["model.visual."],
    connector_modules: &["model.visual.merger.", "model.visual.deepstack_merger_list."],
};
