//! How it learns: recipe, loop, optimiser step, checkpoints, resume, events and the benchmark after every epoch.

pub mod recipe;
pub mod schedule;
