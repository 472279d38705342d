//! What the epochs of runs say about a comparison: effective robustness against a line of reference epochs, and what
//! later epochs did to earlier stages.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::MetricPair;
use crate::metrics::robustness::{Point, Trend};
use crate::perturb::Purpose;
use crate::retention::{StageAccuracies, backward_transfer, retention, stage_accuracies};
use crate::suite::Suite;
use crate::summary::{Estimate, Summary};

/// The epochs of a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The untouched base, where it was tested.
    pub base: Option<Summary>,
    /// What each came to, in order; epochs that were not tested are left out.
    pub epochs: Vec<Summary>,
    /// For stages 1 to 4, the place among `epochs` of the one that ended the first phase that taught the stage; none where it
    /// was not taught.
    pub learned: [Option<usize>; 4],
}

/// One stage of a run over its epochs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRetention {
    /// 1 to 4.
    pub stage: u8,
    /// The largest clean accuracy of any epoch but the last.
    pub best: f64,
    /// Clean accuracy after the last epoch.
    pub last: f64,
    /// Best less last.
    pub forgetting: f64,
}

impl History {
    /// What shows how robustness goes with clean accuracy: the base and all epochs.
    pub fn reference(&self) -> impl Iterator<Item = &Summary> {
        self.base.iter().chain(&self.epochs)
    }

    fn accuracies(&self) -> Vec<StageAccuracies> {
        self.epochs.iter().map(stage_accuracies).collect()
    }

    /// Of the stages that have items; empty with fewer than two epochs.
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

    /// Mean change of a stage's accuracy since the phase that taught it first; none where no stage was taught before the last epoch.
    #[must_use]
    pub fn backward_transfer(&self) -> Option<f64> {
        backward_transfer(&self.accuracies(), self.learned)
    }
}

/// How far two respondents lie above the line on which reference epochs lie, in log-odds of accuracy under an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectiveRobustness {
    /// The attack.
    pub condition: String,
    /// Of the line: attacked log-odds for one of clean log-odds.
    pub slope: f64,
    /// Of the line: attacked log-odds where clean log-odds are zero.
    pub intercept: f64,
    /// Epochs the line was fitted to.
    pub points: usize,
    /// Of A: its attacked log-odds less the line's at its clean accuracy.
    pub a: f64,
    /// Of B.
    pub b: f64,
    /// B less A: what of the gain is more than clean accuracy explains.
    pub difference: f64,
}

/// For every attack that both were asked and of which the reference epochs make a line that can be used.
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
            let trend = Trend::of(&reference, &condition.id).ok()?;
            let (clean, attacked) = (clean?, metrics.get(&format!("accuracy:{}", condition.id))?);
            let a = trend.residual(point(clean.a?, attacked.a?)?);
            let b = trend.residual(point(clean.b?, attacked.b?)?);
            Some(EffectiveRobustness {
                condition: condition.id.clone(),
                slope: trend.slope,
                intercept: trend.intercept,
                points: trend.points,
                a,
                b,
                difference: b - a,
            })
        })
        .collect()
}

fn point(clean: Estimate, attacked: Estimate) -> Option<Point> {
    Some(Point { clean: clean.value?, attacked: attacked.value?, n: clean.n.min(attacked.n) })
}
