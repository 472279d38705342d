//! How it learns: recipe, loop, optimiser step, checkpoints, resume, events and the benchmark after every epoch.

pub mod checkpoint;
pub mod environment;
pub mod files;
pub mod interrupt;
pub mod log;
pub mod progress;
pub mod recipe;
pub mod schedule;
