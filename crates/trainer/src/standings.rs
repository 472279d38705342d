//! Standings of a run: every evaluated epoch next to the untouched base and the guard, and which one is delivered.

use stepwise_benchmark::summary::{Estimate, Summary};

use crate::selection::{ROUNDING, Rule, sign, value};

/// All evaluated epochs of a run by the rule that chooses the best one.
#[derive(Clone, Debug, PartialEq)]
pub struct Standings {
    /// Metric by which epochs are compared.
    pub metric: String,
    /// Metric that must stay within a limit of its best value.
    pub guard: String,
    /// Evaluated epochs in order.
    pub epochs: Vec<Standing>,
    max_drop: f64,
    /// 1 if a higher value of the metric is better, -1 if a lower one is.
    direction: f64,
}

/// One evaluated epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Number of the epoch in the run, from 1.
    pub epoch: u32,
    /// Value of the metric; None if it is not defined.
    pub value: Option<f64>,
    /// Value of the metric for the base, on the items that both answered; None without a base or if it is not defined.
    pub base: Option<f64>,
    /// Gain of the metric over the base, with interval; None without a base or for an unknown metric.
    pub gain: Option<Estimate>,
    /// Value of the guard metric.
    pub guard: Option<f64>,
    /// Whether the guard is at most `max_drop` worse than the best value of the base and all epochs. True if no value of
    /// the guard is defined; false if only the value of this epoch is not.
    pub keeps_guard: bool,
    /// Whether the metric is better than the metric of the base; false if the two cannot be compared.
    pub beats_base: bool,
    /// Whether the checkpoint of this epoch is the delivered one.
    pub delivered: bool,
}

impl Standing {
    /// Words for a table: `delivered`, `outside the guard`, or both; else empty.
    #[must_use]
    pub fn remark(&self) -> &'static str {
        match (self.delivered, self.keeps_guard) {
            (true, true) => "delivered",
            (true, false) => "delivered, outside the guard",
            (false, true) => "",
            (false, false) => "outside the guard",
        }
    }
}

impl Standings {
    /// Ranks `epochs`, each summarised against the base. `delivered` is the epoch of the delivered checkpoint; None if
    /// that checkpoint is at the end of no evaluated epoch.
    #[must_use]
    pub fn new<'a>(rule: &Rule, epochs: impl IntoIterator<Item = (u32, &'a Summary)>, delivered: Option<u32>) -> Self {
        let Rule { metric, guard, max_drop, .. } = rule;
        let epochs: Vec<(u32, &Summary)> = epochs.into_iter().collect();
        let direction = |id: &str| epochs.last().map_or(1.0, |(_, summary)| sign(summary, id));
        let (up, direction) = (direction(guard), direction(metric));
        let guards = epochs.iter().flat_map(|(_, summary)| [value(summary, guard), base(summary, guard)]).flatten();
        let highest = guards.reduce(|a, b| if (a - b) * up >= 0.0 { a } else { b });
        let standing = |(epoch, summary): (u32, &Summary)| {
            let (value_now, base_value, guarded) =
                (value(summary, metric), base(summary, metric), value(summary, guard));
            let gain = summary.gain(metric);
            let difference = gain.and_then(|gain| gain.value).or_else(|| Some(value_now? - base_value?));
            Standing {
                epoch,
                value: value_now,
                base: base_value,
                gain,
                guard: guarded,
                keeps_guard: rule.keeps_guard(highest, guarded, up),
                beats_base: difference.is_some_and(|difference| difference * direction > ROUNDING),
                delivered: delivered == Some(epoch),
            }
        };
        let epochs = epochs.into_iter().map(standing).collect();
        Self { metric: metric.clone(), guard: guard.clone(), epochs, max_drop: *max_drop, direction }
    }

    /// Returns the delivered epoch; None if it was not evaluated.
    #[must_use]
    pub fn delivered(&self) -> Option<&Standing> {
        self.epochs.iter().find(|standing| standing.delivered)
    }

    /// Returns a plain sentence where the delivered epoch is not better than the base, or where an epoch that is better than
    /// the delivered one is outside the guard; None if there is nothing to warn of.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let (metric, guard, max_drop) = (&self.metric, &self.guard, self.max_drop);
        let numbers = |standing: &Standing| {
            let shown =
                |value: Option<f64>| value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.3}"));
            format!("epoch {}: {}, base {}", standing.epoch, shown(standing.value), shown(standing.base))
        };
        let list = |standings: &[&Standing]| standings.iter().map(|of| numbers(of)).collect::<Vec<_>>().join("; ");
        let better: Vec<&Standing> = self.epochs.iter().filter(|standing| standing.beats_base).collect();
        let rejected: Vec<&Standing> = better.iter().copied().filter(|standing| !standing.keeps_guard).collect();
        let outside = format!("outside the guard, because {guard} is more than {max_drop} worse than its best value");
        if self.epochs.is_empty() {
            return None;
        }
        if better.is_empty() {
            let all: Vec<&Standing> = self.epochs.iter().collect();
            return Some(format!("no epoch is better than the untouched base in {metric} ({})", list(&all)));
        }
        let delivered = self.delivered();
        if let Some(delivered) = delivered.filter(|delivered| !delivered.beats_base) {
            let why =
                if rejected.len() == better.len() { format!("better, but {outside}") } else { "better".to_owned() };
            return Some(format!(
                "the delivered checkpoint is not better than the untouched base in {metric} ({}); {why}: {}",
                numbers(delivered),
                list(&better)
            ));
        }
        let least = delivered.and_then(|delivered| delivered.value);
        let is_above = |value: f64| least.is_none_or(|least| (value - least) * self.direction > ROUNDING);
        let rejected: Vec<&Standing> = rejected
            .into_iter()
            .filter(|standing| !standing.delivered && standing.value.is_none_or(is_above))
            .collect();
        (!rejected.is_empty()).then(|| format!("not delivered, {outside}: {}", list(&rejected)))
    }
}

fn base(summary: &Summary, id: &str) -> Option<f64> {
    summary.metrics.get(id)?.base?.value
}

#[cfg(test)]
mod tests {
    use stepwise_benchmark::metrics::Better;
    use stepwise_benchmark::suite::Suite;
    use stepwise_benchmark::summary::MetricSummary;
    use stepwise_recipe::EarlyStopping;

    use super::*;

    /// Summary of an epoch with clean and robust accuracy; the base has 0.6 and 0.3.
    fn epoch(clean: f64, robust: f64) -> Summary {
        let mut summary = Summary::new(&Suite::fast(), &[], &[], None);
        summary.metrics.clear();
        for (id, value, base) in [("accuracy:clean", clean, 0.6), ("robust_accuracy", robust, 0.3)] {
            let of = |value: f64| Estimate { value: Some(value), n: 100, ..Estimate::default() };
            let metric = MetricSummary {
                label: id.into(),
                better: Better::Higher,
                estimate: of(value),
                base: Some(of(base)),
                gain_vs_base: Some(of(value - base)),
                primary: false,
            };
            summary.metrics.insert(id.into(), metric);
        }
        summary
    }

    fn standings(epochs: &[(f64, f64)], delivered: Option<u32>) -> Standings {
        let rule = Rule {
            metric: "robust_accuracy".into(),
            guard: "accuracy:clean".into(),
            max_drop: 0.02,
            early_stopping: EarlyStopping { patience: None, threshold: 0.0 },
        };
        let summaries: Vec<Summary> = epochs.iter().map(|(clean, robust)| epoch(*clean, *robust)).collect();
        Standings::new(&rule, (1..).zip(&summaries), delivered)
    }

    #[test]
    fn a_better_epoch_outside_the_guard_is_named_next_to_a_delivered_one_below_the_base() {
        let found = standings(&[(0.59, 0.27), (0.5, 0.42)], Some(1));
        let remarks: Vec<&str> = found.epochs.iter().map(Standing::remark).collect();
        assert_eq!(remarks, ["delivered", "outside the guard"]);
        assert_eq!(
            found.warning().expect("a warning"),
            "the delivered checkpoint is not better than the untouched base in robust_accuracy (epoch 1: 0.270, base \
             0.300); better, but outside the guard, because accuracy:clean is more than 0.02 worse than its best value: \
             epoch 2: 0.420, base 0.300"
        );
        // A delivered epoch that is better leaves only the rejected one to name.
        let found = standings(&[(0.59, 0.35), (0.5, 0.42)], Some(1)).warning().expect("a note");
        assert!(found.starts_with("not delivered, outside the guard"), "{found}");
        assert_eq!(standings(&[(0.59, 0.35), (0.6, 0.42)], Some(2)).warning(), None);
        // A rejected epoch that is not better than the delivered one takes nothing away.
        assert_eq!(standings(&[(0.5, 0.35), (0.59, 0.42)], Some(2)).warning(), None);
        assert_eq!(standings(&[], None).warning(), None);
    }

    #[test]
    fn a_plain_line_says_that_no_epoch_is_better_than_the_base() {
        let found = standings(&[(0.6, 0.29), (0.6, 0.3)], Some(2)).warning().expect("a warning");
        assert_eq!(
            found,
            "no epoch is better than the untouched base in robust_accuracy (epoch 1: 0.290, base 0.300; epoch 2: 0.300, \
             base 0.300)"
        );
    }

    #[test]
    fn the_guard_is_the_best_value_of_the_base_and_all_epochs() {
        let keeps = |epochs: &[(f64, f64)]| -> Vec<bool> {
            standings(epochs, None).epochs.iter().map(|standing| standing.keeps_guard).collect()
        };
        assert_eq!(keeps(&[(0.58, 0.4), (0.61, 0.4), (0.59, 0.4)]), [false, true, true]);
        assert_eq!(keeps(&[(0.57, 0.4)]), [false], "the base has 0.6");
    }
}
