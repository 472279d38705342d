//! Who learns: tokens, pixels, layout, model families, adapters, weights in and out, scoring, generation.

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
