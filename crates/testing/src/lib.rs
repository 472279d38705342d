#![doc = include_str!("../README.md")]

#[cfg(feature = "benchmark")]
pub mod benchmark;
pub mod cases;
pub mod files;
#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "recipe")]
pub mod recipe;
