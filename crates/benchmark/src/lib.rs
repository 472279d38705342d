//! How a model is tested: perturbations of text and pictures, probes, scoring, metrics, statistics and the report.
//!
//! This crate knows words and pictures, never tensors. Whatever answers is a [`probe::Respondent`]: a vision-language
//! model elsewhere, a planted one here.

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
