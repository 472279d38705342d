//! Vision-language model: processor, packed batches, SmolVLM/Idefics3, LoRA adapters, weights, scoring, generation.

pub mod adapter;
pub mod batch;
pub mod bounded;
pub mod features;
pub mod fresh;
pub mod generate;
pub mod layout;
pub mod model;
pub mod pixel_gradient;
pub mod processor;
pub mod reader;
pub mod weights;

pub use stepwise_ops::{Precision, keep_freed_memory};
