#![doc = include_str!("../README.md")]

mod decoder;
mod encoder;
mod families;
pub mod images;
mod model_config;
pub mod nn;
mod patches;
mod pixel_shuffle;
mod vit;
mod vit_config;
mod vit_tower;

pub mod create;
pub mod fault;
pub mod feature_cache;
mod image_features;
pub mod json_file;
pub mod misplaced;
pub mod model;
pub mod option_scores;
pub mod packed_sequences;
pub mod pipeline;

pub mod adapter;
pub mod batch;
pub mod generate;
pub mod pixel_gradient;
pub mod processor;
pub mod self_test;
pub mod weights;

pub use stepwise_ops::{
    LOGIT_ROWS, LOGIT_TENSORS, LOGITS_ON_DEVICE, NF4_PIECE, Precision, attention_score_bytes, exit_process,
    keep_freed_memory, logit_rows_on_device, values_of,
};
