//! Epochs of runs in a comparison: effective robustness against a line of reference epochs, and forgetting of
//! earlier stages.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::metric_pair::MetricPair;
use crate::effective_robustness::{RobustnessLine, RobustnessPoint};
use crate::perturb::Purpose;
use crate::retention::{StageAccuracies, backward_transfer, retention, stage_accuracies};
use crate::suite::Suite;
use crate::summary::{Estimate, Summary};

/// Summaries of the base and the epochs of a run, from which a comparison computes retention and effective robustness.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Summary of the untouched base; None where it was not evaluated.
    pub base: Option<Summary>,
    /// Summaries of the evaluated epochs up to the compared one, in order; empty where none was evaluated.
    pub epochs: Vec<Summary>,
    /// Summaries of later epochs of the run, which are points of the reference line only; empty where there are none.
    pub later: Vec<Summary>,
    /// For stages 1 to 4, the index in `epochs` of the epoch that ended the first phase that trained on the stage; None
    /// where no phase did.
    pub learned: [Option<usize>; 4],
}

/// Clean accuracy of one stage over the epochs of a run, and how much of it was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRetention {
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Largest clean accuracy of any epoch but the last, 0 to 1.
    pub best: f64,
    /// Clean accuracy after the last epoch, 0 to 1.
    pub last: f64,
    /// Best less last; negative where the last epoch is the best.
    pub forgetting: f64,
}

impl History {
    /// Iterates over the summaries to which the line of effective robustness is fitted: first the base where it was
    /// evaluated, then all epochs up to the compared one, then the later ones.
    pub fn reference(&self) -> impl Iterator<Item = &Summary> {
        self.base.iter().chain(&self.epochs).chain(&self.later)
    }

    fn accuracies(&self) -> Vec<StageAccuracies> {
        self.epochs.iter().map(stage_accuracies).collect()
    }

    /// Returns the best and the last clean accuracy of every stage that has items, in the order of stages; empty with
    /// fewer than two epochs.
    #[must_use]
    pub fn retention(&self) -> Vec<StageRetention> {
        let stages = (1..).zip(retention(&self.accuracies()));
        stages
            .filter_map(|(stage, found)| {
                let found = found?;
                Some(StageRetention { stage, best: found.best, last: found.last, forgetting: found.forgetting() })
            })
            .collect()
    }

    /// Computes the backward transfer (Lopez-Paz and Ranzato, 2017): the mean, over stages, of the clean accuracy after the
    /// last epoch less the clean accuracy at the end of the first phase that trained on the stage, -1 to 1. Stages count
    /// whose first phase ended before the last epoch and that have items in both epochs; None where there is no such stage.
    #[must_use]
    pub fn backward_transfer(&self) -> Option<f64> {
        backward_transfer(&self.accuracies(), self.learned)
    }
}

/// Effective robustness of two models: how far they lie above the line of the reference epochs, in log-odds of accuracy
/// under an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveRobustness {
    /// Id of the attack's condition.
    pub condition: String,
    /// Line of the reference epochs: attacked against clean accuracy on the logit scale.
    #[serde(flatten)]
    pub line: RobustnessLine,
    /// Number of epochs to which the line was fitted.
    pub points: usize,
    /// Effective robustness of A: attacked log-odds of A less the line's at A's clean accuracy.
    pub a: f64,
    /// Effective robustness of B: attacked log-odds of B less the line's at B's clean accuracy.
    pub b: f64,
    /// B less A: the part of the gain that clean accuracy does not explain.
    pub difference: f64,
}

/// Computes the effective robustness of both models for every attack of `suite`. `metrics` holds their accuracies by
/// metric id, and `reference` the epochs to which a line is fitted. Attacks without both accuracies of both models, or
/// without a usable line, are left out.
pub(super) fn effective_robustness(
    suite: &Suite,
    metrics: &IndexMap<String, MetricPair>,
    reference: &[Summary],
) -> Vec<EffectiveRobustness> {
    let clean = metrics.get(&format!("accuracy:{}", suite.clean().id));
    let reference: Vec<&Summary> = reference.iter().collect();
    suite
        .conditions
        .iter()
        .filter(|condition| condition.purpose == Purpose::Attack)
        .filter_map(|condition| {
            let line = RobustnessLine::of(&reference, &condition.id).ok()?;
            let (clean, attacked) = (clean?, metrics.get(&format!("accuracy:{}", condition.id))?);
            let a = line.residual(point(clean.a?, attacked.a?)?);
            let b = line.residual(point(clean.b?, attacked.b?)?);
            Some(EffectiveRobustness {
                condition: condition.id.clone(),
                line,
                points: RobustnessPoint::all(&reference, &condition.id).len(),
                a,
                b,
                difference: b - a,
            })
        })
        .collect()
}

fn point(clean: Estimate, attacked: Estimate) -> Option<RobustnessPoint> {
    Some(RobustnessPoint { clean: clean.value?, attacked: attacked.value?, n: clean.n.min(attacked.n) })
}
