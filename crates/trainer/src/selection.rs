//! Choice of the best epoch, and early stopping.
//!
//! An epoch is chosen by a metric, normally robust accuracy, under the condition of a guard metric, normally clean
//! accuracy. The guard of an epoch may be at most `max_drop` worse than the best guard value of the base and all
//! evaluated epochs. Otherwise the epoch is not chosen. A chosen epoch is dropped when a later epoch raises the best
//! guard value too far. The guard compares point estimates, not confidence intervals; the intervals are in the report.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::perturb::Purpose;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_recipe::{BestModelRule, EarlyStopping};

/// Smaller differences count as equal: shares of equal counts can differ in their last bits.
pub(crate) const ROUNDING: f64 = 1e-9;

/// Rule for choosing the best epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Id of the metric by which epochs are compared.
    pub metric: String,
    /// Id of the metric that must stay within `max_drop` of its best value.
    pub guard: String,
    /// Largest accepted difference of the guard from its best value, in the unit of the metric (a share of 1 for
    /// accuracies).
    pub max_drop: f64,
    /// Rule by which the run stops when no epoch improves.
    pub early_stopping: EarlyStopping,
}

/// The chosen epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Id of the metric by which the epoch was chosen.
    pub metric: String,
    /// Value of the metric.
    pub value: f64,
    /// Id of the guard metric, see [`Rule::guard`].
    pub guard: String,
    /// Value of the guard; None if it is not defined.
    pub guard_value: Option<f64>,
    /// Number of the epoch in the run, from 1.
    pub epoch: u32,
    /// Optimiser step of the epoch's checkpoint.
    pub step: u64,
}

/// State of the choice after the epochs evaluated so far. Part of a checkpoint, so that a resumed run chooses
/// the same epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The chosen epoch; None if no epoch fulfils the guard.
    pub best: Option<Best>,
    /// Best guard value of the base and all evaluated epochs.
    guard: Option<f64>,
    /// Evaluated epochs since the last improvement.
    waited: u64,
}

/// Result of comparing an epoch with the earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// Message for people: whether the epoch was chosen, and why not.
    pub verdict: String,
    /// Whether early stopping ends the run here.
    pub stop: bool,
}

impl Rule {
    /// Creates the rule of the recipe for `suite`. If no metric is set, it is `robust_accuracy` for a suite with
    /// attacks, else `accuracy:clean`.
    #[must_use]
    pub fn new(select: &BestModelRule, early_stopping: EarlyStopping, suite: &Suite) -> Self {
        let attacks = suite.conditions.iter().any(|condition| condition.purpose == Purpose::Attack);
        let usual = if attacks { "robust_accuracy" } else { "accuracy:clean" };
        Self {
            metric: select.metric.clone().unwrap_or_else(|| usual.to_owned()),
            guard: select.guard.clone(),
            max_drop: select.max_drop,
            early_stopping,
        }
    }

    /// Returns whether a guard value `own` is at most `max_drop` worse than the best one. `up` is the [`sign`] of the
    /// guard. Without a best value the result is true; without an own value, false.
    pub(crate) fn keeps_guard(&self, best: Option<f64>, own: Option<f64>, up: f64) -> bool {
        best.is_none_or(|best| own.is_some_and(|own| (best - own) * up <= self.max_drop + ROUNDING))
    }
}

/// Returns the value of the metric `id`; None if it is unknown or not defined.
pub(crate) fn value(summary: &Summary, id: &str) -> Option<f64> {
    summary.estimate(id)?.value
}

/// Returns -1 if smaller values of the metric `id` are better, else 1, also for an unknown metric.
pub(crate) fn sign(summary: &Summary, id: &str) -> f64 {
    match summary.metrics.get(id).map(|metric| metric.better) {
        Some(Better::Lower) => -1.0,
        _ => 1.0,
    }
}

impl Selection {
    /// Returns whether an epoch was compared with the base.
    #[must_use]
    pub fn has_evaluated(&self) -> bool {
        self.guard.is_some() || self.waited > 0
    }

    /// Compares an epoch, evaluated after `step` optimiser steps with the result `summary`, with the base and the
    /// earlier epochs, and updates the choice. An epoch whose metric is not defined is not chosen.
    pub fn weigh(&mut self, rule: &Rule, base: &Summary, (epoch, step): (u32, u64), summary: &Summary) -> Weighed {
        let Rule { metric, guard, max_drop, early_stopping } = rule;
        let (up, guard_up) = (sign(summary, metric), sign(summary, guard));
        let guarded = value(summary, guard);
        let so_far = [self.guard, value(base, guard), guarded].into_iter().flatten();
        self.guard = so_far.reduce(|a, b| if (a - b) * guard_up >= 0.0 { a } else { b });
        let highest = self.guard;
        let keeps = |guarded: Option<f64>| rule.keeps_guard(highest, guarded, guard_up);
        // The chosen epoch is dropped if it no longer fulfils the guard.
        self.best = self.best.take().filter(|best| keeps(best.guard_value));
        let shown = |value: Option<f64>| value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.3}"));
        let mut counts = false;
        let verdict = match value(summary, metric) {
            None => format!("epoch {epoch} is not chosen: {metric} is not defined"),
            Some(_) if !keeps(guarded) => format!(
                "epoch {epoch} is not chosen: {guard} {} is more than {max_drop} worse than {}",
                shown(guarded),
                shown(highest)
            ),
            Some(own) => {
                let best = self.best.as_ref().map(|best| best.value);
                let gain = best.map_or(f64::INFINITY, |best| (own - best) * up);
                counts = gain > early_stopping.threshold + ROUNDING;
                if gain > ROUNDING {
                    let (metric, guard) = (metric.clone(), guard.clone());
                    let best = Best { metric, value: own, guard, guard_value: guarded, epoch, step };
                    let verdict = format!("best so far: {best}");
                    self.best = Some(best);
                    verdict
                } else {
                    format!("epoch {epoch} is not chosen: {metric} {own:.3} is no better than {}", shown(best))
                }
            }
        };
        self.waited = if counts { 0 } else { self.waited + 1 };
        Weighed { verdict, stop: early_stopping.patience.is_some_and(|patience| self.waited >= patience) }
    }
}

impl std::fmt::Display for Best {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {}, step {}: {} {:.3}", self.epoch, self.step, self.metric, self.value)?;
        match self.guard_value.filter(|_| self.guard != self.metric) {
            Some(value) => write!(f, ", {} {value:.3}", self.guard),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use stepwise_benchmark::summary::{Estimate, MetricSummary};

    use super::*;

    /// A summary with these metrics only.
    fn summary(clean: f64, robust: Option<f64>) -> Summary {
        let mut summary = Summary::new(&Suite::fast(), &[], &[], None);
        summary.metrics.clear();
        // A lower attack success is better.
        let lost = robust.map(|robust| 1.0 - robust);
        for (id, value, better) in [
            ("accuracy:clean", Some(clean), Better::Higher),
            ("robust_accuracy", robust, Better::Higher),
            ("attack_success", lost, Better::Lower),
        ] {
            let estimate = Estimate { value, n: 100, ..Estimate::default() };
            let metric =
                MetricSummary { label: id.into(), better, estimate, base: None, gain_vs_base: None, primary: false };
            summary.metrics.insert(id.into(), metric);
        }
        summary
    }

    fn rule(metric: &str, patience: Option<u64>) -> Rule {
        let early_stopping = EarlyStopping { patience, threshold: 0.0 };
        Rule { metric: metric.into(), guard: "accuracy:clean".into(), max_drop: 0.02, early_stopping }
    }

    /// The chosen epoch and whether the run ends, after each epoch. `epochs` are clean and robust accuracies.
    fn chosen(rule: &Rule, epochs: &[(f64, Option<f64>)]) -> Vec<(Option<u32>, bool)> {
        let base = summary(0.5, Some(0.1));
        let mut selection = Selection::default();
        let weigh = |(epoch, (clean, robust)): (u32, &(f64, Option<f64>))| {
            let weighed = selection.weigh(rule, &base, (epoch, u64::from(epoch) * 10), &summary(*clean, *robust));
            (selection.best.as_ref().map(|best| best.epoch), weighed.stop)
        };
        (1..).zip(epochs).map(weigh).collect()
    }

    fn epochs(found: &[(Option<u32>, bool)]) -> Vec<Option<u32>> {
        found.iter().map(|(epoch, _)| *epoch).collect()
    }

    #[test]
    fn the_most_robust_epoch_above_the_guard_is_chosen() {
        let run = [(0.47, Some(0.9)), (0.60, Some(0.3)), (0.58, Some(0.4)), (0.57, Some(0.8)), (0.61, Some(0.4))];
        for metric in ["robust_accuracy", "attack_success"] {
            let found = chosen(&rule(metric, None), &run);
            // Epoch 1 is too far below the base, epoch 4 too far below epoch 2. Epoch 3 with 0.58 is just within 0.02
            // of 0.60 but not of 0.61, so epoch 5 replaces it although it is not more robust.
            assert_eq!(epochs(&found), [None, Some(2), Some(3), Some(3), Some(5)], "{metric}");
            assert!(found.iter().all(|(_, stop)| !stop));
        }
    }

    #[test]
    fn the_earlier_of_equal_epochs_is_chosen_and_an_undefined_metric_never() {
        let found = chosen(&rule("robust_accuracy", None), &[(0.6, None), (0.6, Some(0.3)), (0.6, Some(0.3))]);
        assert_eq!(epochs(&found), [None, Some(2), Some(2)]);
    }

    #[test]
    fn a_run_ends_after_patience_epochs_without_improvement() {
        let flat = [(0.6, Some(0.3)), (0.6, Some(0.31)), (0.6, Some(0.31)), (0.5, Some(0.9))];
        let stops = |rule: &Rule| chosen(rule, &flat).iter().map(|(_, stop)| *stop).collect::<Vec<_>>();
        assert_eq!(stops(&rule("robust_accuracy", Some(2))), [false, false, false, true]);
        let mut demanding = rule("robust_accuracy", Some(2));
        demanding.early_stopping.threshold = 0.05;
        assert_eq!(stops(&demanding), [false, false, true, true]);
    }
}
