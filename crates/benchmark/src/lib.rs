#![doc = include_str!("../README.md")]

pub mod compat;
pub mod mock;
pub mod model;
pub mod power;
pub mod retention;
pub mod runner;
mod suite_file;
pub mod suite_reference;
pub mod worst_cases;

pub mod compare;
pub mod forgetting;
pub mod metrics;
pub mod outcome;
pub mod perturb;
pub mod plan;
pub mod score;
pub mod stats;
pub mod store;
pub mod subset;
pub mod suite;
pub mod summary;
