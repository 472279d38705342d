//! Errors of evaluations.

use std::path::Path;

use stepwise_benchmark::runner::RunError;
use stepwise_benchmark::store::StoreError;
use stepwise_benchmark::suite_file::SuiteError;

/// Why a benchmark failed or was interrupted.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The suite cannot be read.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// A question cannot be evaluated, or the evaluation was interrupted.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Outcomes cannot be read or stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule of the recipe uses a metric that the suite does not measure.
    #[error("{key}: the benchmark does not measure `{metric}` -> {help}")]
    Unmeasured {
        /// Key or rule of the recipe.
        key: String,
        /// Name of the metric.
        metric: String,
        /// Advice.
        help: String,
    },
    /// The predicted answers of a phase that has started are missing.
    #[error(
        "{path}: the file is missing or belongs to another run, and phase `{phase}` already started -> restore the \
         file, or resume from the last checkpoint of the previous phase"
    )]
    Predicted {
        /// File of the answers.
        path: String,
        /// Name of the phase.
        phase: String,
    },
    /// A result of the training so far is missing or damaged.
    #[error(
        "{problem}, and the training went on since {what} was evaluated -> restore the file; without a copy remove \
         {later}: `--resume` then {from} and evaluates again"
    )]
    Earlier {
        /// The file, and what is wrong.
        problem: String,
        /// What was evaluated.
        what: String,
        /// Checkpoints that were saved later.
        later: String,
        /// Where the run goes on without these checkpoints.
        from: String,
    },
    /// A file of the benchmark cannot be read or written.
    #[error("{path}: {error} -> check that the folder is writable and the disk has room")]
    File {
        /// Path of the file.
        path: String,
        /// Cause.
        error: std::io::Error,
    },
}

impl BenchmarkError {
    /// Returns whether the benchmark was interrupted and did not fail. Earlier answers are kept.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Run(RunError::Stopped))
    }

    /// Makes an error about the file `path` of the benchmark.
    pub(crate) fn file(path: &Path, error: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), error }
    }
}
