#![doc = include_str!("../README.md")]

mod attacks;
#[cfg(feature = "benchmark")]
pub mod benchmark;
pub mod cases;
pub mod files;
#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "recipe")]
pub mod recipe;
