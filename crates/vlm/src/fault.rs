//! Faults of files and folders, with advice.

use std::fmt::Display;
use std::path::Path;

/// First bytes of a file that Git LFS leaves in place of a large file that it did not fetch.
const GIT_LFS: &[u8] = b"version https://git-lfs.";

/// Returns the problem of a file whose first bytes are `bytes` if it is a pointer of Git LFS; None for other files.
pub(crate) fn git_lfs_pointer(bytes: &[u8]) -> Option<&'static str> {
    let problem = "is a pointer of Git LFS in place of the file, which `git lfs pull` in its folder fetches";
    bytes.starts_with(GIT_LFS).then_some(problem)
}

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
