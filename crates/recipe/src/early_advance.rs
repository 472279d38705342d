//! Early advance: `early_advance = { metric = "accuracy:clean:stage_1", at_least = 0.8 }` ends a phase before its
//! planned steps.

use serde::Serialize;
use stepwise_config::section::Section;

/// Rule of early advance: ends a phase after an evaluated epoch, before its planned steps are done. The phase ends as
/// soon as one of the conditions holds; at least one is given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EarlyAdvance {
    /// Id of a metric in the benchmark's summary.
    pub metric: String,
    /// Ends the phase once the metric is at least this; None sets no such bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Ends the phase once the metric is at most this; None sets no such bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Ends the phase after this many evaluated epochs in a row without a new best value; None waits without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Smallest improvement, at least 0: with `patience`, a value counts as a new best only if it is better by more
    /// than this.
    pub min_delta: f64,
}

impl EarlyAdvance {
    /// Returns whether the phase ends now: the last value has reached a bound, or there was no new best value for
    /// `patience` epochs. `values` are the metric's values in the evaluated epochs of the phase, in order, None where
    /// the metric is undefined; `higher` says whether larger values are better. An epoch without a value counts as no
    /// improvement.
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

/// Reads `early_advance`. Without the key the result is `inherited`; an empty table gives None and so cancels a rule of
/// `[curriculum]`. A rule without metric or without condition is reported.
pub(super) fn read(section: &mut Section<'_>, inherited: Option<&EarlyAdvance>) -> Option<EarlyAdvance> {
    let written = section.has("early_advance");
    let mut table = section.section("early_advance").about(
        "Early advance: ends a phase after an evaluated epoch, once a metric reaches a value or stops improving.",
    );
    let metric = table.text("metric", None, "Metric of the benchmark's summary, such as \"accuracy:clean:stage_1\".");
    let at_least = table.float_or("at_least", None, .., "Ends the phase once the metric is at least this.");
    let at_most = table.float_or(
        "at_most",
        None,
        ..,
        "Ends the phase once the metric is at most this, for metrics where less is better.",
    );
    let patience = table.integer_or(
        "patience",
        None,
        1..=100_000,
        "Ends the phase after this many evaluated epochs in a row without improvement of the metric.",
    );
    let min_delta =
        table.float("min_delta", 0.0, 0.0.., "With `patience`: changes of at most this count as no improvement.");
    // An empty table cancels the rule of `[curriculum]`.
    let rules = at_least.is_some() || at_most.is_some() || patience.is_some();
    if metric.is_none() && rules {
        table.report(None, "`early_advance` has no metric", "name one, as in `metric = \"accuracy:clean:stage_1\"`");
    }
    if metric.is_some() && !rules {
        table.report(
            None,
            "`early_advance` has no condition and would never end a phase",
            "give `at_least`, `at_most` or `patience`",
        );
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

    fn early_advance(at_least: Option<f64>, patience: Option<u64>) -> EarlyAdvance {
        EarlyAdvance { metric: "m".into(), at_least, at_most: None, patience, min_delta: 0.01 }
    }

    #[test]
    fn a_phase_ends_when_the_metric_is_reached_or_rises_no_more() {
        let reached = early_advance(Some(0.8), None);
        assert!(!reached.is_due(&[Some(0.9), Some(0.7)], true), "only the last epoch counts");
        assert!(reached.is_due(&[Some(0.7), Some(0.8)], true));
        let low = EarlyAdvance { at_most: Some(0.1), ..early_advance(None, None) };
        assert!(low.is_due(&[Some(0.3), Some(0.1)], false) && !low.is_due(&[Some(0.1), Some(0.3)], false));
        let plateau = early_advance(None, Some(2));
        assert!(!plateau.is_due(&[Some(0.5), Some(0.6), Some(0.605)], true));
        assert!(plateau.is_due(&[Some(0.5), Some(0.6), Some(0.605), Some(0.609)], true));
        assert!(!plateau.is_due(&[Some(0.5), Some(0.4), Some(0.3), Some(0.2)], false), "less is better");
        assert!(plateau.is_due(&[Some(0.5), None, None], true));
        assert!(!plateau.is_due(&[], true));
    }
}
