//! Progress callbacks of a run. The library prints nothing; the program displays what it receives here.

use std::collections::BTreeMap;

use crate::log::StepLine;

/// Receiver of progress events. Every method has an empty default.
pub trait Progress {
    /// Reports that `task` begins or continues, with `done` of `total` units; before the first [`Progress::advance`].
    fn begin(&mut self, task: &str, done: u64, total: u64) {
        let _ = (task, done, total);
    }

    /// Reports `done` of `total` units of `task` (`train`, `benchmark NAME`, ...), for a progress bar. Called often.
    fn advance(&mut self, task: &str, done: u64, total: u64) {
        let _ = (task, done, total);
    }

    /// Reports a log line, every `logging_steps` steps and at the end of a phase.
    fn step(&mut self, line: &StepLine) {
        let _ = line;
    }

    /// Reports the end of an epoch, after its benchmark if one was due.
    fn epoch(&mut self, line: &EpochLine) {
        let _ = line;
    }

    /// Reports a message, for example that a checkpoint was written.
    fn note(&mut self, text: &str) {
        let _ = text;
    }

    /// Reports a problem that does not stop the run, for example that a damaged checkpoint was skipped.
    fn warning(&mut self, text: &str) {
        let _ = text;
    }
}

/// Results of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochLine {
    /// Name of the phase.
    pub phase: String,
    /// Completed epochs of the whole run.
    pub epoch: u32,
    /// Number of epochs of the whole run.
    pub epochs: u32,
    /// Completed optimiser steps.
    pub global_step: u64,
    /// Mean loss per supervised token of the epoch, in nats.
    pub loss: f64,
    /// Benchmark metrics by name; empty if the epoch was not evaluated.
    pub metrics: BTreeMap<String, f64>,
}

/// Ignores all events.
impl Progress for () {}
