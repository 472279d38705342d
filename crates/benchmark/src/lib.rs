//! The adversarial benchmark: perturbations of text and images, queries, scoring, metrics, statistics and reports.
//!
//! This crate handles text and images, not tensors. It evaluates any implementation of [`query::Model`]: a
//! vision-language model of another crate, or a mock model of [`planted`].

pub mod compare;
pub mod compat;
pub mod effective_robustness;
pub mod forgetting;
pub mod metrics;
pub mod mock;
pub mod model;
pub mod outcome;
pub mod perturb;
pub mod plan;
pub mod power;
pub mod retention;
pub mod rng;
pub mod runner;
pub mod score;
pub mod stats;
pub mod store;
pub mod subset;
pub mod suite;
pub mod suite_file;
pub mod suite_reference;
pub mod summary;
pub mod worst_cases;
