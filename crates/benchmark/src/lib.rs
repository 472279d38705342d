//! How a model is tested: perturbations of text and pictures, probes, scoring, metrics, statistics and the report.
//!
//! This crate knows words and pictures, never tensors. Whatever answers is a [`probe::Respondent`]: a vision-language
//! model elsewhere, a planted one here.

pub mod probe;
