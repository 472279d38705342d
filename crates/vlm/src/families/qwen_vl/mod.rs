//! Qwen2-VL (Wang et al. 2024) and Qwen2.5-VL (Bai et al. 2025): images of any size, an encoder with rotary positions
//! in two dimensions (2.5: attention in windows in most layers), a merger of 2 x 2 patches, Qwen2 decoder with
//! multimodal rotary positions.

mod config;
mod encoder;
mod names;

use stepwise_data::box_format::BoxFormat;

use super::facts::{FamilyFacts, TensorNames};
use super::qwen::processor;
pub(super) use config::{Config, read as read_config};
pub(super) use encoder::Encoder;

/// Facts of the family.
pub(super) const FACTS: FamilyFacts = FamilyFacts {
    name: "Qwen2-VL and Qwen2.5-VL",
    model_types: &["qwen2_vl", "qwen2_5_vl"],
    processors: &["Qwen2VLProcessor", "Qwen2_5_VLProcessor"],
    image_processors: &["Qwen2VLImageProcessor"],
    read_processor: processor::read,
    image_options: &["max_pixels", "min_pixels"],
    box_format: |kind| match kind.to_ascii_lowercase().contains("qwen2_5_vl") {
        true => BoxFormat::Pixels,
        false => BoxFormat::PerMille,
    },
    tokens: &[processor::IMAGE, processor::START, processor::END],
    is_structural: processor::is_structural,
    turn_end: "<|im_end|>",
    names: TensorNames {
        current: names::current,
        split_off: |_| None,
        in_adapters: str::to_owned,
        kept_on_export: true,
    },
    encoder_modules: &["model.visual."],
    connector_modules: &["model.visual.merger."],
};
