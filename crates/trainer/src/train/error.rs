//! Errors that end a run.

use std::path::PathBuf;

use stepwise_benchmark::suite_file::SuiteError;
use stepwise_curriculum::PlanError;
use stepwise_data::problem::Problems;

use crate::batches::examples::ExampleError;
use crate::cases::CasesError;
use crate::checkpoint::{self, CheckpointError, Incompatible};
use crate::device::DeviceFailure;
use crate::evaluation::error::BenchmarkError;
use crate::frozen::FrozenChanged;
use crate::learner::LearnerError;
use crate::optim::step::StepError;
use crate::preflight::dry_run::Unreached;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The cases cannot be loaded.
    #[error(transparent)]
    Cases(#[from] CasesError),
    /// The images that the base was trained on cannot be read.
    #[error(transparent)]
    TrainedImages(#[from] Problems),
    /// The model cannot be prepared, saved or restored.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// A training example cannot be made.
    #[error(transparent)]
    Example(#[from] ExampleError),
    /// A step failed.
    #[error("step {step}: {error}")]
    Step {
        /// Number of the step, from 1.
        step: u64,
        /// Cause.
        error: StepError,
    },
    /// The compute device failed, for example because it has too little memory.
    #[error("{place}{failure} -> {advice}")]
    Device {
        /// Step in which the device failed, with a colon and a space; empty outside of steps.
        place: String,
        /// What failed.
        failure: DeviceFailure,
        /// Advice, as an instruction.
        advice: String,
        /// Whether the weights are those of the completed steps. If not, no checkpoint can be written.
        is_whole: bool,
    },
    /// Too many steps failed in a row.
    #[error(
        "step {step}: {}; this is the {count}th failed step in a row -> the weights are unusable: lower the learning \
         rate and start again, or delete the checkpoints of these steps and resume",
        error.cause()
    )]
    Lost {
        /// Number of the step, from 1.
        step: u64,
        /// Number of failed steps in a row.
        count: u64,
        /// Cause of the last failure.
        error: StepError,
    },
    /// A started run stopped. Saved checkpoints stay.
    #[error("{error}\nstopped after step {done} of {total}; {} -> fix the problem, then continue with `--resume`", kept(*done, *saved))]
    Stopped {
        /// Completed optimiser steps.
        done: u64,
        /// Optimiser steps of the whole run.
        total: u64,
        /// Optimiser steps of the newest checkpoint; 0 without one.
        saved: u64,
        /// Cause.
        error: Box<TrainError>,
    },
    /// The folder of the run or a checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint cannot be written.
    #[error("{}", advised(problem))]
    Unsaved {
        /// File of the checkpoint and cause.
        problem: String,
    },
    /// The benchmark failed.
    #[error(transparent)]
    Benchmark(#[from] BenchmarkError),
    /// The suite cannot be read.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// A file of the run cannot be written.
    #[error("{path}: {error} -> check that the folder is writable and the disk has room")]
    File {
        /// Path of the file.
        path: String,
        /// Cause.
        error: std::io::Error,
    },
    /// The newest checkpoint cannot be continued with this recipe or program.
    #[error("{path}: {error}")]
    Incompatible {
        /// Folder of the checkpoint.
        path: String,
        /// Difference.
        error: Incompatible,
    },
    /// The inputs of the run have changed since the training that the newest checkpoint holds.
    #[error(
        "{}: what the recipe names has changed since the run began: {changes} -> restore it ({} has the digests), or name \
         another `output_dir` for a new run",
        path.display(),
        record.display()
    )]
    Inputs {
        /// Folder of the checkpoint.
        path: PathBuf,
        /// The changes, each with its key, its old and its new digest.
        changes: String,
        /// File with the recorded digests.
        record: PathBuf,
    },
    /// The digests that the run recorded cannot be read.
    #[error("{}: {error} -> restore the file, or name another `output_dir` for a new run", path.display())]
    Record {
        /// File with the recorded digests.
        path: PathBuf,
        /// Cause.
        error: std::io::Error,
    },
    /// A trainable tensor gets no gradient.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// A frozen tensor changed.
    #[error(transparent)]
    FrozenChanged(#[from] FrozenChanged),
    /// A trained tensor contains values that are not finite.
    #[error("{0} contains values that are not finite -> lower the learning rate; no checkpoint was written")]
    Ruined(String),
    /// The run plan is invalid, for example because a phase has no questions.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Adds advice to the problem of a written file, unless it has advice already.
fn advised(problem: &str) -> String {
    if problem.contains(" -> ") {
        return problem.to_owned();
    }
    format!("{problem} -> check that the folder is writable and the disk has room")
}

/// Describes the newest checkpoint of a run that stopped after `done` steps.
fn kept(done: u64, saved: u64) -> String {
    match saved {
        0 => "nothing was saved yet".to_owned(),
        saved if saved == done => format!("{} contains all of them", checkpoint::name(saved)),
        saved => format!("{} is complete, and the steps after it will be repeated", checkpoint::name(saved)),
    }
}
