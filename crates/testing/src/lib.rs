//! Set-up that tests of several crates share: fixture files, synthetic cases, recipes, mock evaluations and the tiny
//! model. Only ever a dev-dependency.
//!
//! Unit tests of a crate must not use helpers whose types belong to that crate: cargo builds the crate once for its
//! unit tests and once for this crate, so the types differ. Integration tests have no such limit.

#[cfg(feature = "benchmark")]
pub mod benchmark;
pub mod cases;
pub mod files;
#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "recipe")]
pub mod recipe;
