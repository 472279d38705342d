#![doc = include_str!("../README.md")]

mod phase;
pub mod planned;
mod reshuffle;
pub mod run_plan;
mod sampler;

pub use phase::{Phase, Visits};
pub use sampler::{PlanError, SampleIndex, Sampler};
