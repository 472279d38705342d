//! Outcomes of the runs of a study: input of the comparison.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::summary::Summary;

/// Outcomes of all runs of a study.
#[derive(Clone, Debug)]
pub struct StudyRuns {
    /// Name of the study.
    pub name: String,
    /// Facts for the header of the report as name and value: base, cases, seeds, budget, manifest.
    pub facts: Vec<(String, String)>,
    /// Ids of the primary endpoints, named before the first run.
    pub primary: Vec<String>,
    /// Index in `arms` of the arm that all others are compared with.
    pub reference: usize,
    /// All seeds of the study, in its order.
    pub seeds: Vec<u64>,
    /// Seeds that were added after the first run; empty when none was.
    pub later_seeds: Vec<u64>,
    /// Outcomes of the untouched base, from a run of the reference.
    pub base: Vec<Outcome>,
    /// Arms in the order of the study.
    pub arms: Vec<ArmRuns>,
}

/// The runs of one arm.
#[derive(Clone, Debug)]
pub struct ArmRuns {
    /// Name of the arm.
    pub name: String,
    /// Planned training of its runs.
    pub budget: TrainingBudget,
    /// Finished runs in the order of their seeds; empty where none is finished.
    pub runs: Vec<SeedRun>,
}

/// Planned training of one run of an arm, as the mean over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingBudget {
    /// Number of optimiser steps.
    pub steps: f64,
    /// Number of training examples; a question trained on twice counts twice.
    pub samples: f64,
    /// Number of tokens that the loss is computed on.
    pub supervised_tokens: f64,
}

/// One finished run.
#[derive(Clone, Debug)]
pub struct SeedRun {
    /// Seed of the run.
    pub seed: u64,
    /// Number of optimiser steps done.
    pub steps: u64,
    /// Number of optimiser steps planned.
    pub planned: u64,
    /// Optimiser steps and name of the delivered checkpoint; `None` where the checkpoints were removed.
    pub delivered: Option<(u64, String)>,
    /// Outcomes of the evaluation after the last epoch.
    pub outcomes: Vec<Outcome>,
    /// Outcomes at every earlier evaluated step, in runs of the reference only, where they are the points of its lines;
    /// empty in other runs.
    pub earlier: Vec<Vec<Outcome>>,
    /// Optimiser steps done and summary, for the base and for every evaluated epoch of this run.
    pub stops: Vec<(u64, Summary)>,
    /// Accuracies after each phase; `None` for a run without recorded phases.
    pub forgetting: Option<Forgetting>,
}
