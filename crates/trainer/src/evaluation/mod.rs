//! Evaluation of a model under a suite, after every epoch and by command, with stored answers.

pub mod cache;
mod curve;
pub mod earlier;
pub mod epochs;
pub mod error;
pub mod eval_loss;
pub mod evaluate;
pub mod files;
pub mod predicted;
pub mod report;
pub mod suite;
pub mod vectors;
pub mod vlm_model;
