//! Training data: cases, clinical stages, taxonomy, importers, synthetic cases, checks, splits, prompts and phases.
//!
//! This crate works on text and images and depends on no tensor library, so the research logic builds and tests
//! in seconds.

pub mod case;
pub mod check;
pub mod conversation;
pub mod dataset;
pub mod files;
pub mod import;
pub mod inside;
mod jpeg;
pub mod jsonl;
pub mod near;
pub mod nearest;
pub mod phase;
pub mod phash;
pub mod picture;
pub mod problem;
pub mod prompt;
pub mod random;
pub mod refusal;
mod schema;
pub mod split;
pub mod synth;
pub mod taxonomy;
