//! The adversarial benchmark: perturbations of text and images, queries, scoring, metrics, statistics and reports.
//!
//! This crate handles text and images, not tensors. It evaluates any implementation of [`probe::Respondent`]: a
//! vision-language model of another crate, or a mock model of [`planted`].

mod attack;
pub mod compare;
pub mod forgetting;
mod gallery;
pub mod guide;
pub mod measure;
pub mod metrics;
pub mod outcome;
pub mod perturb;
pub mod plan;
pub mod planted;
pub mod probe;
mod recall;
pub mod report;
pub mod run;
pub mod score;
pub mod stats;
pub mod store;
pub mod study;
pub mod subset;
pub mod suite;
pub mod summary;
