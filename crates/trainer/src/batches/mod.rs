//! TODO-HEAD

pub mod adversarial;
pub mod augment;
pub mod examples;
pub mod prefetch;
