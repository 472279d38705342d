//! Delivered checkpoint of each run, next to the end of its training, where the endpoints are measured.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use stepwise_benchmark::summary::Summary;

use super::runs::{SeedRun, StudyRuns};

/// Delivered checkpoint of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveredRun {
    /// Name of the arm.
    pub arm: String,
    /// Seed of the run.
    pub seed: u64,
    /// Checkpoint that `eval`, `export` and `ask` take, such as `checkpoint-8, best`.
    pub checkpoint: String,
    /// Optimiser steps of the checkpoint.
    pub step: u64,
    /// Optimiser steps at the end of the training.
    pub last: u64,
    /// Primary endpoints by id: value of the delivered checkpoint and after the last epoch; `None` where not evaluated.
    pub endpoints: IndexMap<String, [Option<f64>; 2]>,
}

impl DeliveredRun {
    /// Returns whether the run delivers another checkpoint than the one after its last epoch.
    #[must_use]
    pub fn is_earlier(&self) -> bool {
        self.step != self.last
    }
}

/// Collects the delivered checkpoints of all runs that have one.
pub(super) fn all(runs: &StudyRuns) -> Vec<DeliveredRun> {
    let of_arms = runs.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    let of_run = |(arm, run): (&super::ArmRuns, &SeedRun)| {
        let (step, checkpoint) = run.delivered.clone()?;
        let at = |step: u64| run.stops.iter().find(|(stop, _)| *stop == step).map(|(_, summary)| summary);
        let value = |summary: Option<&Summary>, id: &str| summary?.estimate(id)?.value;
        let endpoints = runs.primary.iter().map(|id| (id.clone(), [value(at(step), id), value(at(run.steps), id)]));
        let (arm, endpoints) = (arm.name.clone(), endpoints.collect());
        Some(DeliveredRun { arm, seed: run.seed, checkpoint, step, last: run.steps, endpoints })
    };
    of_arms.filter_map(of_run).collect()
}
