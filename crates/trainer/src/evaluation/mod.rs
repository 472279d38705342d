//! Evaluation of a model under a suite, after every epoch and by command, with stored answers.

pub mod cache;
pub mod epochs;
pub mod evaluate;
pub mod predicted;
pub mod report;
pub mod vlm_model;
