#![doc = include_str!("../README.md")]

pub mod budget;
pub mod cluster;
pub mod collect;
pub mod counted;
mod definition;
mod error;
pub mod jobs;
pub mod manifest;
pub mod report;
mod same_cases;
pub mod summary;
pub mod task;
pub mod waiting;

pub use definition::{Arm, Study};
pub use error::StudyError;
pub use task::Task;
