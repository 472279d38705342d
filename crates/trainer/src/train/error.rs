//! Why a run ended early.

use stepwise_curriculum::PlanError;

use crate::batches::examples::LessonError;
use crate::cases::CasesError;
use crate::checkpoint::{self, CheckpointError, Incompatible};
use crate::evaluation::epochs::BenchmarkError;
use crate::frozen::Moved;
use crate::learner::LearnerError;
use crate::optim::step::StepError;
use crate::preflight::dry_run::Unreached;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The cases.
    #[error(transparent)]
    Cases(#[from] CasesError),
    /// The model.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// A question.
    #[error(transparent)]
    Lesson(#[from] LessonError),
    /// A step.
    #[error("step {step}: {error}")]
    Step {
        /// Which, counted from 1.
        step: u64,
        /// Why.
        error: StepError,
    },
    /// Too many steps were skipped in a row.
    #[error(
        "step {step} is the {count}th in a row of which nothing can be learned: {} -> the weights are past use: lower the \
         learning rate and begin anew, or remove the checkpoints since then",
        error.cause()
    )]
    Lost {
        /// Which, counted from 1.
        step: u64,
        /// How many.
        count: u64,
        /// Why, of the last one.
        error: StepError,
    },
    /// A run that was under way; what was saved stays.
    #[error("{error}\nstopped after step {done} of {total}; {} -> mend this, then go on with `--resume`", kept(*done, *saved))]
    Stopped {
        /// Optimiser steps done.
        done: u64,
        /// Those of the whole run.
        total: u64,
        /// Those that the newest checkpoint holds; 0 without one.
        saved: u64,
        /// Why.
        error: Box<TrainError>,
    },
    /// The run's folder.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint cannot be written.
    #[error("{}", advised(problem))]
    Unsaved {
        /// Which file of it, and why.
        problem: String,
    },
    /// The benchmark.
    #[error(transparent)]
    Benchmark(#[from] BenchmarkError),
    /// A file of the run.
    #[error("{path}: {error} -> check that the folder is writable and the disk has room")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The newest checkpoint belongs to another run.
    #[error("{path}: {error}")]
    Incompatible {
        /// The checkpoint.
        path: String,
        /// How it differs.
        error: Incompatible,
    },
    /// Something that is to learn cannot.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// Something that is not to learn did.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// What was learned is of no use.
    #[error("{0} is no longer finite -> lower the learning rate; no checkpoint is written of this")]
    Ruined(String),
    /// A phase finds nothing to learn.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// The problem of a file that is written, with what to do.
fn advised(problem: &str) -> String {
    if problem.contains(" -> ") {
        return problem.to_owned();
    }
    format!("{problem} -> check that the folder is writable and the disk has room")
}

/// What a run that stopped after `done` steps has saved.
fn kept(done: u64, saved: u64) -> String {
    match saved {
        0 => "nothing was saved yet".to_owned(),
        saved if saved == done => format!("{} holds all that was learned", checkpoint::name(saved)),
        saved => format!("{} is whole, and what was learned after it is learned again", checkpoint::name(saved)),
    }
}
