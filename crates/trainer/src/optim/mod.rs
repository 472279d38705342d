//! The optimiser step: gradients, learning rates by part and phase, and AdamW.

pub mod adamw;
pub mod gradients;
pub mod joined;
mod moments;
pub mod part_rates;
pub mod step;
