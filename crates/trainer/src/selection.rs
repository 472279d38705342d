//! Which tested epoch is the best so far, and whether a better one is still to be expected.
//!
//! Robustness decides, with a guard on clean accuracy: an epoch whose guard lies more than `max_drop` below the best that the
//! base or an earlier tested epoch has had is not chosen, however robust, and one that was chosen loses its place to the epoch
//! that shows it to be that far behind. The guard compares estimates, not the bounds of their intervals: those are in the report.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::perturb::Purpose;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_recipe::{EarlyStopping, Select};

/// Differences below this are none: shares of equal counts may differ in their last bits.
const ROUNDING: f64 = 1e-9;

/// What decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The metric compared.
    pub metric: String,
    /// The metric that must not suffer.
    pub guard: String,
    /// How far it may lie behind the best so far.
    pub max_drop: f64,
    /// When the run ends.
    pub early_stopping: EarlyStopping,
}

/// The epoch chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// What was compared.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// What had to be kept.
    pub guard: String,
    /// Its value; none where it is not defined.
    pub guard_value: Option<f64>,
    /// Epochs of the run that were done.
    pub epoch: u32,
    /// The checkpoint's step.
    pub step: u64,
}

/// What the epochs tested so far came to. Part of a checkpoint, so that a resumed run chooses as the uninterrupted one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The epoch chosen; none as long as every one lost more than it may.
    pub best: Option<Best>,
    /// The best that the guard has been, of the base or an epoch.
    guard: Option<f64>,
    /// Tested epochs since one was better.
    waited: u64,
}

/// What weighing an epoch came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// What to tell of it.
    pub verdict: String,
    /// Whether the run is to end here, for too many epochs were no better.
    pub stop: bool,
}

impl Rule {
    /// As the recipe says, for what `suite` asks.
    #[must_use]
    pub fn new(select: &Select, early_stopping: EarlyStopping, suite: &Suite) -> Self {
        let attacks = suite.conditions.iter().any(|condition| condition.purpose == Purpose::Attack);
        let usual = if attacks { "robust_accuracy" } else { "accuracy:clean" };
        Self {
            metric: select.metric.clone().unwrap_or_else(|| usual.to_owned()),
            guard: select.guard.clone(),
            max_drop: select.max_drop,
            early_stopping,
        }
    }
}

/// A metric's value; none where it is not defined.
fn value(summary: &Summary, id: &str) -> Option<f64> {
    summary.estimate(id)?.value
}

/// 1 where more of the metric is better, -1 where less is.
fn sign(summary: &Summary, id: &str) -> f64 {
    match summary.metrics.get(id).map(|metric| metric.better) {
        Some(Better::Lower) => -1.0,
        _ => 1.0,
    }
}

impl Selection {
    /// Compares a tested epoch, done after `step` steps, with those before it.
    pub fn weigh(&mut self, rule: &Rule, base: &Summary, (epoch, step): (u32, u64), summary: &Summary) -> Weighed {
        let Rule { metric, guard, max_drop, early_stopping } = rule;
        let (up, guard_up) = (sign(summary, metric), sign(summary, guard));
        let guarded = value(summary, guard);
        let so_far = [self.guard, value(base, guard), guarded].into_iter().flatten();
        self.guard = so_far.reduce(|a, b| if (a - b) * guard_up >= 0.0 { a } else { b });
        let highest = self.guard;
        let keeps = |guarded: Option<f64>| {
            highest.is_none_or(|highest| guarded.is_some_and(|own| (highest - own) * guard_up <= max_drop + ROUNDING))
        };
        // One that this epoch shows to be too far behind loses its place.
        self.best = self.best.take().filter(|best| keeps(best.guard_value));
        let shown = |value: Option<f64>| value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.3}"));
        let mut counts = false;
        let verdict = match value(summary, metric) {
            None => format!("epoch {epoch} is not chosen: {metric} is not defined"),
            Some(_) if !keeps(guarded) => format!(
                "epoch {epoch} is not chosen: {guard} {} is more than {max_drop} behind {}",
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
    use stepwise_benchmark::stats::bootstrap::Bootstrap;
    use stepwise_benchmark::summary::{Estimate, MetricSummary};

    use super::*;

    /// A summary of these metrics alone.
    fn summary(clean: f64, robust: Option<f64>) -> Summary {
        let mut summary =
            Summary::new(&Suite::fast(), &[], &[], None, Bootstrap { resamples: 1, ..Bootstrap::default() });
        summary.metrics.clear();
        // An attack's success is the better the less there is of it.
        let lost = robust.map(|robust| 1.0 - robust);
        for (id, value, better) in [
            ("accuracy:clean", Some(clean), Better::Higher),
            ("robust_accuracy", robust, Better::Higher),
            ("attack_success", lost, Better::Lower),
        ] {
            let estimate = Estimate { value, ci: None, n: 100 };
            let metric = MetricSummary {
                label: id.into(),
                better,
                estimate,
                base: None,
                gain_vs_base: None,
                primary: false,
                test: None,
            };
            summary.metrics.insert(id.into(), metric);
        }
        summary
    }

    fn rule(metric: &str, patience: Option<u64>) -> Rule {
        let early_stopping = EarlyStopping { patience, threshold: 0.0 };
        Rule { metric: metric.into(), guard: "accuracy:clean".into(), max_drop: 0.02, early_stopping }
    }

    /// Epoch chosen and whether the run ends, after each of these epochs: clean and robust accuracy.
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
    fn the_most_robust_is_chosen_among_those_that_keep_clean_accuracy() {
        let run = [(0.47, Some(0.9)), (0.60, Some(0.3)), (0.58, Some(0.4)), (0.57, Some(0.8)), (0.61, Some(0.4))];
        for metric in ["robust_accuracy", "attack_success"] {
            let found = chosen(&rule(metric, None), &run);
            // The first lost more than the base allows, the fourth more than the second allows; 0.58 of 0.60 is just kept, and
            // no longer of 0.61: then the last one takes its place though it is no more robust.
            assert_eq!(epochs(&found), [None, Some(2), Some(3), Some(3), Some(5)], "{metric}");
            assert!(found.iter().all(|(_, stop)| !stop));
        }
    }

    #[test]
    fn equal_epochs_leave_the_earlier_one_and_what_is_not_defined_is_not_chosen() {
        let found = chosen(&rule("robust_accuracy", None), &[(0.6, None), (0.6, Some(0.3)), (0.6, Some(0.3))]);
        assert_eq!(epochs(&found), [None, Some(2), Some(2)]);
    }

    #[test]
    fn a_run_ends_after_as_many_epochs_that_were_no_better() {
        let flat = [(0.6, Some(0.3)), (0.6, Some(0.31)), (0.6, Some(0.31)), (0.5, Some(0.9))];
        let stops = |rule: &Rule| chosen(rule, &flat).iter().map(|(_, stop)| *stop).collect::<Vec<_>>();
        assert_eq!(stops(&rule("robust_accuracy", Some(2))), [false, false, false, true]);
        let mut demanding = rule("robust_accuracy", Some(2));
        demanding.early_stopping.threshold = 0.05;
        assert_eq!(stops(&demanding), [false, false, true, true]);
    }
}
