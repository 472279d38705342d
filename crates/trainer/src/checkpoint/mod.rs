//! Checkpoints of a run. They are written to a temporary folder and renamed, verified by digests, and linked as
//! `best` and `last`.

pub mod delivered;
pub mod source;

mod digest;
mod links;
mod retention;
mod run;
mod state;
mod write;

use std::path::{Path, PathBuf};

pub use delivered::{Delivered, Reason};
pub use digest::{DIGEST_FILE, verify};
pub use links::{BEST, LAST, link, linked, unlink};
pub use retention::{prune, superfluous};
pub use run::RunFolder;
pub use state::{Incompatible, RANDOM_SCHEME, STATE_FILE, Skipped, StepLoss, TrainerState};
pub use write::{clear_leftovers, write};

/// Why a checkpoint could not be written, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file or folder cannot be read, written or removed.
    #[error("{}: {source} -> check that the folder is writable and the disk has room", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The checkpoint is damaged: a file is missing or differs from what was written.
    #[error("{}: {reason} -> use an earlier checkpoint", path.display())]
    Torn {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// Damaged file, and how it differs.
        reason: String,
    },
    /// The path for the folder of a run is a file.
    #[error("{}: is a file, not a folder -> name another `output_dir`", path.display())]
    NotFolder {
        /// Path of the file.
        path: PathBuf,
    },
    /// The folder of a new run already contains a run.
    #[error("{}: the folder already contains a run -> continue it with `--resume`, or name another `output_dir`", path.display())]
    Occupied {
        /// Folder of the run.
        path: PathBuf,
    },
}

impl CheckpointError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Io { path: path.into(), source }
    }
}

/// Returns the folder name of the checkpoint after `step` optimiser steps: `checkpoint-STEP`.
#[must_use]
pub fn name(step: u64) -> String {
    format!("checkpoint-{step}")
}

/// Returns the step of a checkpoint's folder name. None if the name is not exactly one that [`name`] returns.
#[must_use]
pub fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("checkpoint-")?;
    // Rejects `checkpoint-007` and `checkpoint-+7`.
    digits.parse().ok().filter(|step| self::name(*step) == name)
}

/// Returns the steps of all checkpoints in the folder of a run, ascending, complete or not. Empty if the folder does
/// not exist.
///
/// # Errors
/// When the folder cannot be read.
pub fn steps(run: &Path) -> Result<Vec<u64>, CheckpointError> {
    let entries = match std::fs::read_dir(run) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(CheckpointError::io(run))?,
    };
    let mut steps = Vec::new();
    for entry in entries {
        let entry = entry.map_err(CheckpointError::io(run))?;
        steps.extend(step_of(&entry.file_name().to_string_lossy()));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// Returns the step of the newest complete checkpoint of a run, and a message for each newer checkpoint that is
/// damaged. The step is None if there is no complete checkpoint. All files of the checkpoints are read.
///
/// # Errors
/// When the run's folder cannot be read.
pub fn newest_complete(run: &Path) -> Result<(Option<u64>, Vec<String>), CheckpointError> {
    let mut skipped = Vec::new();
    for step in steps(run)?.into_iter().rev() {
        match verify(&run.join(name(step))) {
            Ok(()) => return Ok((Some(step), skipped)),
            Err(CheckpointError::Torn { path, reason }) => {
                skipped.push(format!("{}: {reason} -> skipped, the previous checkpoint is used", path.display()));
            }
            Err(error) => skipped.push(format!("{error} (skipped)")),
        }
    }
    Ok((None, skipped))
}

#[cfg(test)]
mod tests;
