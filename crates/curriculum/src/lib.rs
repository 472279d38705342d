#![doc = include_str!("../README.md")]

mod phase;
mod reshuffle;
pub mod planned;
pub mod run_plan;
mod sampler;

pub use phase::{Phase, Visits};
pub use sampler::{PlanError, SampleIndex, Sampler};
