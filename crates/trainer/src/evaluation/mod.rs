//! TODO-HEAD

pub mod cache;
pub mod epochs;
pub mod evaluate;
pub mod predicted;
pub mod report;
pub mod vlm_model;
