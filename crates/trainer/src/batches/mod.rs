//! Training data of a step: examples with their augmentation, packed into micro-batches ahead of time.

pub mod adversarial;
pub mod augment;
pub mod examples;
pub mod prefetch;
mod views;
