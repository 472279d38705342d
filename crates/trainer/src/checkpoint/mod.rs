//! Checkpoints of a run: written beside and renamed, recognised by their digests, linked as `best` and `last`.

pub mod source;

mod digest;
mod links;
mod retention;
mod run;
mod state;
mod write;

use std::path::{Path, PathBuf};

pub use digest::{DIGEST_FILE, verify};
pub use links::{BEST, LAST, link, linked, unlink};
pub use retention::{prune, superfluous};
pub use run::RunFolder;
pub use state::{Incompatible, RANDOM_SCHEME, STATE_FILE, Skipped, StepLoss, TrainerState};
pub use write::{clear_leftovers, write};

/// Why a checkpoint could not be written, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{}: {source} -> check that the folder is writable and the disk has room", path.display())]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file of the checkpoint is not what was written.
    #[error("{}: {reason} -> take an earlier checkpoint", path.display())]
    Torn {
        /// The checkpoint's folder.
        path: PathBuf,
        /// Which file, and how it differs.
        reason: String,
    },
    /// A file lies where the folder of a run shall be.
    #[error("{}: is a file, not a folder -> name another `output_dir`", path.display())]
    NotFolder {
        /// The file.
        path: PathBuf,
    },
    /// A folder is in use by another run.
    #[error("{}: the folder holds a run already -> continue it with `--resume`, or name another `output_dir`", path.display())]
    Occupied {
        /// The run's folder.
        path: PathBuf,
    },
}

impl CheckpointError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Io { path: path.into(), source }
    }
}

/// A checkpoint's folder name.
#[must_use]
pub fn name(step: u64) -> String {
    format!("checkpoint-{step}")
}

/// The step in a checkpoint's folder name.
#[must_use]
pub fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("checkpoint-")?;
    // `checkpoint-007` and `checkpoint-+7` are not names we write.
    digits.parse().ok().filter(|step| self::name(*step) == name)
}

/// Steps of the checkpoints in a run's folder, ascending, complete or not.
///
/// # Errors
/// When the folder cannot be read; one that does not exist has none.
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

/// The newest complete checkpoint of a run, and a message for each newer one that is not.
///
/// # Errors
/// When the run's folder cannot be read.
pub fn newest_complete(run: &Path) -> Result<(Option<u64>, Vec<String>), CheckpointError> {
    let mut skipped = Vec::new();
    for step in steps(run)?.into_iter().rev() {
        match verify(&run.join(name(step))) {
            Ok(()) => return Ok((Some(step), skipped)),
            Err(CheckpointError::Torn { path, reason }) => {
                skipped.push(format!("{}: {reason} -> skipped, the checkpoint before it is taken", path.display()));
            }
            Err(error) => skipped.push(format!("{error} (skipped)")),
        }
    }
    Ok((None, skipped))
}

#[cfg(test)]
mod tests;
