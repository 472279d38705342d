//! Faults of files and folders, with advice.

use std::fmt::Display;
use std::path::Path;

/// What is wrong with a file or folder, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem} -> {advice}")]
pub struct Fault {
    /// Path of the file or folder.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

impl Fault {
    /// Describes a fault of the file or folder `place`.
    pub fn new(place: &Path, problem: impl Display, advice: impl Display) -> Self {
        Self { place: place.display().to_string(), problem: problem.to_string(), advice: advice.to_string() }
    }
}
