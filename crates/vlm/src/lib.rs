#![doc = include_str!("../README.md")]

pub mod nn;

pub mod create;
pub mod fault;
pub mod feature_cache;
pub mod idefics3;
mod image_features;
pub mod misplaced;
pub mod option_scores;
pub mod packed_sequences;
pub mod pipeline;

pub mod adapter;
pub mod batch;
pub mod generate;
pub mod pixel_gradient;
pub mod processor;
pub mod weights;

pub use stepwise_ops::{Precision, keep_freed_memory, values_of};
