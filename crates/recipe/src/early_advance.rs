//! `promotion = { metric = "accuracy:clean:stage_1", at_least = 0.8 }`: what ends a phase before its time.

use serde::Serialize;
use stepwise_config::section::Section;

/// Ends a phase at the end of a tested epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EarlyAdvance {
    /// A metric of the benchmark's summary.
    pub metric: String,
    /// Once it is this or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Once it is this or less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Once it has not become better for so many tested epochs of the phase: a plateau.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// By how much it must become better to count.
    pub min_delta: f64,
}

impl EarlyAdvance {
    /// Whether a phase ends whose tested epochs came to `values`, where more is better (`higher`) or less is. An epoch in which
    /// the metric is not defined counts as one that is no better.
    #[must_use]
    pub fn is_due(&self, values: &[Option<f64>], higher: bool) -> bool {
        let reached = |value: f64| {
            self.at_least.is_some_and(|least| value >= least) || self.at_most.is_some_and(|most| value <= most)
        };
        if values.last().copied().flatten().is_some_and(reached) {
            return true;
        }
        let Some(patience) = self.patience else { return false };
        let (mut best, mut since): (Option<f64>, u64) = (None, 0);
        for value in values {
            let gain = |value: f64, best: f64| if higher { value - best } else { best - value };
            match (*value, best) {
                (Some(value), None) => best = Some(value),
                (Some(value), Some(old)) if gain(value, old) > self.min_delta => (best, since) = (Some(value), 0),
                _ => since += 1,
            }
        }
        since >= patience
    }
}

/// Reads `promotion`; `inherited` where it is left out. An empty table is none.
pub(super) fn read(section: &mut Section<'_>, inherited: Option<&EarlyAdvance>) -> Option<EarlyAdvance> {
    let written = section.has("promotion");
    let mut table = section.section("promotion").about(
        "Ends a phase before its time, at the end of a tested epoch: a metric is reached, or has stopped rising.",
    );
    let metric = table.text("metric", None, "A metric of the benchmark's summary, such as \"accuracy:clean:stage_1\".");
    let at_least = table.float_or("at_least", None, .., "Ends the phase once the metric is this or more.");
    let at_most =
        table.float_or("at_most", None, .., "Ends the phase once the metric is this or less, where less is better.");
    let patience = table.integer_or(
        "patience",
        None,
        1..=100_000,
        "Ends the phase once the metric has not become better for so many tested epochs.",
    );
    let min_delta =
        table.float("min_delta", 0.0, 0.0.., "By how much it must become better to count, with `patience`.");
    // An empty table takes back what `[curriculum]` says.
    let rules = at_least.is_some() || at_most.is_some() || patience.is_some();
    if metric.is_none() && rules {
        table.report(None, "`promotion` has no metric", "name one, as in `metric = \"accuracy:clean:stage_1\"`");
    }
    if metric.is_some() && !rules {
        table.report(None, "`promotion` never ends a phase", "give `at_least`, `at_most` or `patience`");
    }
    table.finish();
    if !written {
        return inherited.cloned();
    }
    metric.map(|metric| EarlyAdvance { metric, at_least, at_most, patience, min_delta })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promotion(at_least: Option<f64>, patience: Option<u64>) -> EarlyAdvance {
        EarlyAdvance { metric: "m".into(), at_least, at_most: None, patience, min_delta: 0.01 }
    }

    #[test]
    fn a_phase_ends_when_the_metric_is_reached_or_rises_no_more() {
        let reached = promotion(Some(0.8), None);
        assert!(!reached.is_due(&[Some(0.9), Some(0.7)], true), "only the last epoch counts");
        assert!(reached.is_due(&[Some(0.7), Some(0.8)], true));
        let low = EarlyAdvance { at_most: Some(0.1), ..promotion(None, None) };
        assert!(low.is_due(&[Some(0.3), Some(0.1)], false) && !low.is_due(&[Some(0.1), Some(0.3)], false));
        let plateau = promotion(None, Some(2));
        assert!(!plateau.is_due(&[Some(0.5), Some(0.6), Some(0.605)], true));
        assert!(plateau.is_due(&[Some(0.5), Some(0.6), Some(0.605), Some(0.609)], true));
        assert!(!plateau.is_due(&[Some(0.5), Some(0.4), Some(0.3), Some(0.2)], false), "less is better");
        assert!(plateau.is_due(&[Some(0.5), None, None], true));
        assert!(!plateau.is_due(&[], true));
    }
}
