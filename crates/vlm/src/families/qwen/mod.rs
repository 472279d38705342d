//! What Qwen2-VL, Qwen2.5-VL and Qwen3-VL have in common: image preprocessing, order of the patches, and parts of image
//! encoder and configuration.

pub(super) mod config;
pub(super) mod layer;
pub(super) mod merger;
mod order;
pub(super) mod patches;
pub(super) mod plan;
pub(super) mod processor;
