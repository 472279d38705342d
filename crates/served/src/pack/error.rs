//! Errors of packs.

use std::io;
use std::path::{Path, PathBuf};

use stepwise_benchmark::model::ModelError;
use stepwise_benchmark::runner::RunError;
use stepwise_benchmark::suite_file::SuiteError;
use stepwise_data::problem::Problems;

/// Why a pack cannot be written, read or scored.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file cannot be read or written.
    #[error("{}: {source} -> check that the path exists and is readable and writable, and that the disk has space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the file system.
        source: io::Error,
    },
    /// A folder is no pack, or its description is damaged.
    #[error("{}: {problem} -> name a folder that `stepwise questions` wrote", path.display())]
    NoPack {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The folder to write to has files already.
    #[error("{}: exists and is not empty -> name a new folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The pack was made with another version of the suite, the prompts or the parser.
    #[error(
        "{}: the pack asks suite `{name}` with the digest {stored}, which this version of Stepwise reads as {own} -> score \
         it with the version that wrote it ({version}), or write the pack again and ask the model again", path.display()
    )]
    OtherSuite {
        /// The pack.
        path: PathBuf,
        /// Name of the suite.
        name: String,
        /// Digest in the pack.
        stored: String,
        /// Digest of the same file in this version.
        own: String,
        /// Version that wrote the pack.
        version: String,
    },
    /// Replies cannot be used: every problem that was found, each with file and row.
    #[error("{}", .0.join("\n"))]
    Replies(Vec<String>),
    /// The cases of the pack cannot be read or written, or are invalid.
    #[error(transparent)]
    Cases(#[from] Problems),
    /// The suite of the pack is invalid.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] RunError),
    /// An image cannot be changed or written.
    #[error("case {case_id}: {problem} -> run `stepwise check` on the data set")]
    Picture {
        /// Id of the case.
        case_id: String,
        /// What is wrong.
        problem: String,
    },
    /// An attack on an image cannot be made.
    #[error(
        "case {case_id}: {error} -> name another model with `--surrogate`, or leave the condition out of the suite"
    )]
    Attack {
        /// Id of the case.
        case_id: String,
        /// Why the attack cannot be made.
        error: ModelError,
    },
    /// The surrogate was asked to stop while it made an attack.
    #[error("stopped while attacks were made; the pack is not complete")]
    Stopped,
}

impl PackError {
    /// Makes the error about the file `path`.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }

    /// Makes the error about an image of the case `case_id`.
    pub(super) fn picture(case_id: &str, problem: impl ToString) -> Self {
        Self::Picture { case_id: case_id.to_owned(), problem: problem.to_string() }
    }

    /// Makes the error about an attack on an image of the case `case_id`.
    pub(super) fn attack(case_id: &str, error: ModelError) -> Self {
        match error {
            ModelError::Stopped => Self::Stopped,
            error => Self::Attack { case_id: case_id.to_owned(), error },
        }
    }
}
