#![doc = include_str!("../README.md")]

mod competence;
mod epoch;
mod error;
mod phase;
mod replay;
mod reshuffle;
pub mod run_plan;
mod sampler;
#[cfg(test)]
mod tests;
mod visits;

pub use error::PlanError;
pub use phase::{Phase, Visits};
pub use sampler::{SampleIndex, Sampler};
