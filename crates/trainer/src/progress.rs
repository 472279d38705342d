//! What a run tells while it runs. The library prints nothing; the program shows this as it likes.

use std::collections::BTreeMap;

use crate::log::StepLine;
use crate::preflight::Preparation;

/// A listener to a run. Every method may be left out.
pub trait Progress {
    /// Work has advanced: `done` of `total` in `task` (`train`, `benchmark`, ...), for a bar. Called often.
    fn advance(&mut self, task: &str, done: u64, total: u64) {
        let _ = (task, done, total);
    }

    /// The run is about to begin.
    fn prepared(&mut self, preparation: &Preparation) {
        let _ = preparation;
    }

    /// A log line, each `logging_steps`.
    fn step(&mut self, line: &StepLine) {
        let _ = line;
    }

    /// An epoch has ended, and has been tested if it was to be.
    fn epoch(&mut self, line: &EpochLine) {
        let _ = line;
    }

    /// Something to know: a checkpoint was written, a torn one was skipped.
    fn note(&mut self, text: &str) {
        let _ = text;
    }

    /// Something is not as it should be, and the run goes on.
    fn warning(&mut self, text: &str) {
        let _ = text;
    }
}

/// The end of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochLine {
    /// Name of the phase.
    pub phase: String,
    /// Epochs of the whole run that are done.
    pub epoch: u32,
    /// Epochs of the whole run.
    pub epochs: u32,
    /// Optimiser steps done.
    pub global_step: u64,
    /// Mean over the epoch's supervised tokens, in nats.
    pub loss: f64,
    /// What the benchmark measured, by name.
    pub metrics: BTreeMap<String, f64>,
}

/// Listens to nothing.
impl Progress for () {}
