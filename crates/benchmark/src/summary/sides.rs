//! The model beside its base: metrics, conditions, gains and the adjustment of their p-values.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::{ConditionSummary, Estimate, Gain, MetricSummary, SentenceSpread};
use crate::metrics::family::representatives;
use crate::metrics::{self, Better, Metric, OutcomeTable, Subgroup, attack};
use crate::outcome::Outcome;
use crate::score::Verdict;
use crate::stats::adjusted_p::{benjamini_hochberg, holm};
use crate::stats::paired::mcnemar_exact;
use crate::stats::rate::{rule_of_three, wilson};
use crate::stats::{Cells, Inference, infer};
use crate::suite::Condition;

/// Outcome tables of the model and the base: each with all of its outcomes, and both restricted to common items. The
/// tables of the base are None without a base.
pub(super) struct Sides<'a> {
    pub(super) own: OutcomeTable<'a>,
    pub(super) base: Option<OutcomeTable<'a>>,
    pub(super) pair: Option<(OutcomeTable<'a>, OutcomeTable<'a>)>,
    pub(super) cells: &'a Cells,
    /// Subgroups of the items of both models.
    pub(super) subgroups: Vec<Subgroup>,
}

impl Sides<'_> {
    /// Summarises all metrics, in the fixed order of their ids: estimate of the model, estimate of the base and gain.
    /// The metrics on items that both models got right clean exist only with a base, at the end.
    pub(super) fn metrics(&self) -> IndexMap<String, MetricSummary> {
        let Self { own, base, pair, cells, subgroups } = self;
        let all = |table: &OutcomeTable<'_>| metrics::all(table, subgroups);
        let of_own = estimated(all(own), cells, Estimate::of_value);
        let of_base = base.as_ref().map(|base| estimated(all(base), cells, Estimate::of_value));
        let gains = pair.as_ref().map(|(own, base)| {
            let both = all(own).into_iter().zip(all(base));
            let gains = both.map(|(own, base)| Metric::difference(own, base)).collect();
            estimated(gains, cells, Estimate::of_difference)
        });
        let both_right = pair
            .as_ref()
            .map(|(own, base)| estimated(attack::on_items_both_got_right(own, base), cells, Estimate::of_difference));

        let at = |set: &Option<Vec<Estimated>>, place: usize| Some(set.as_ref()?.get(place)?.estimate);
        let of_one = of_own.iter().enumerate().map(|(place, metric)| {
            let summary = MetricSummary {
                label: metric.label.clone(),
                better: metric.better,
                estimate: metric.estimate,
                base: at(&of_base, place),
                gain_vs_base: at(&gains, place),
                primary: own.suite.is_primary_metric(&metric.id),
            };
            (metric.id.clone(), summary)
        });
        let of_both = both_right.into_iter().flatten().map(|metric| {
            let summary = MetricSummary {
                label: metric.label,
                better: metric.better,
                estimate: Estimate { n: metric.estimate.n, ..Estimate::default() },
                base: None,
                gain_vs_base: Some(metric.estimate),
                primary: false,
            };
            (metric.id, summary)
        });
        of_one.chain(of_both).collect()
    }

    /// Summarises the condition with the index `c` in the suite. `metrics` holds the summaries of
    /// [`metrics`](Self::metrics), and `skipped_by_reason` the number of items that the condition left out. There is no
    /// gain without items that both models answered.
    pub(super) fn condition(
        &self,
        condition: &Condition,
        c: usize,
        metrics: &IndexMap<String, MetricSummary>,
        skipped_by_reason: BTreeMap<String, usize>,
    ) -> ConditionSummary {
        let Self { own, base, pair, .. } = self;
        let outcomes: Vec<&Outcome> = own.rows.iter().filter_map(|row| row.at(c)).collect();
        let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
        let is_unparsed = |outcome: &&Outcome| outcome.verdict == Verdict::Unparsed;
        let (n, right) = (outcomes.len(), count(Verdict::Right));
        let metric = metrics.get(&format!("accuracy:{}", condition.id));
        // Without common items there is no test, and it must not count in the adjustment of the others.
        let gain = metric.and_then(|metric| metric.gain_vs_base).filter(|gain| gain.n > 0);
        let gain_vs_base = pair.as_ref().zip(gain).map(|((own, base), estimate)| {
            let (mut only_tuned_right, mut only_base_right) = (0, 0);
            for (mine, theirs) in own.rows.iter().zip(&base.rows) {
                let (Some(mine_right), Some(theirs_right)) = (mine.right(c), theirs.right(c)) else {
                    continue;
                };
                only_tuned_right += usize::from(mine_right > theirs_right);
                only_base_right += usize::from(theirs_right > mine_right);
            }
            let p_mcnemar = mcnemar_exact(only_tuned_right, only_base_right);
            Gain { estimate, only_tuned_right, only_base_right, p_mcnemar }
        });
        ConditionSummary {
            id: condition.id.clone(),
            kind: condition.kind.to_owned(),
            purpose: condition.purpose,
            control: condition.control.clone(),
            primary: own.suite.primary.contains(&condition.id),
            representative: representatives(own).contains(&c),
            n,
            right,
            wrong: count(Verdict::Wrong),
            unparsed: count(Verdict::Unparsed),
            unparsed_base: base.as_ref().and_then(|base| {
                let asked: Vec<&Outcome> = base.rows.iter().filter_map(|row| row.at(c)).collect();
                (!asked.is_empty()).then(|| asked.into_iter().filter(is_unparsed).count())
            }),
            followed: outcomes.iter().filter(|outcome| outcome.followed).count(),
            max_items: condition.max_items,
            skipped: skipped_by_reason.values().sum(),
            skipped_by_reason,
            accuracy: metric.and_then(|metric| metric.estimate.value),
            ci: metric.and_then(|metric| metric.estimate.ci),
            wilson: wilson(right, n),
            unseen_error_rate: rule_of_three(n).filter(|_| right == n),
            sentences: SentenceSpread::of(own, condition, c),
            base: metric.and_then(|metric| metric.base),
            p: gain_vs_base.and_then(|gain| gain.estimate.p),
            gain_vs_base,
        }
    }
}

/// A metric with its estimate.
struct Estimated {
    id: String,
    label: String,
    better: Better,
    estimate: Estimate,
}

fn estimated(
    metrics: Vec<Metric>,
    cells: &Cells,
    estimate: fn(Option<Inference>, usize) -> Estimate,
) -> Vec<Estimated> {
    let of_metric = |Metric { id, label, better, n, statistic }| {
        let found = infer(&statistic, cells);
        Estimated { id, label, better, estimate: estimate(found, n) }
    };
    metrics.into_iter().map(of_metric).collect()
}

/// Adjusts the p-values of gains, in place: by Holm over the primary endpoints, by Benjamini and Hochberg over the
/// other conditions. Gains without a p-value stay without one.
pub(super) fn adjust(conditions: &mut [ConditionSummary], metrics: &mut IndexMap<String, MetricSummary>) {
    let (primary, others): (Vec<_>, Vec<_>) =
        conditions.iter_mut().filter(|condition| condition.n > 0).partition(|condition| condition.primary);
    let of_condition = |condition| {
        let condition: &mut ConditionSummary = condition;
        tested(condition.gain_vs_base.as_mut().map(|gain| &mut gain.estimate))
    };
    let of_metric = |metric| {
        let metric: &mut MetricSummary = metric;
        tested(metric.gain_vs_base.as_mut())
    };
    let of_metrics = metrics.values_mut().filter(|metric| metric.primary).filter_map(of_metric);
    let claims: Vec<Tested<'_>> = primary.into_iter().filter_map(of_condition).chain(of_metrics).collect();
    let rest: Vec<Tested<'_>> = others.into_iter().filter_map(of_condition).collect();
    for (family, adjustment) in [(claims, holm as fn(&[f64]) -> Vec<f64>), (rest, benjamini_hochberg)] {
        let (p, adjusted): (Vec<f64>, Vec<&mut Option<f64>>) = family.into_iter().unzip();
        adjusted.into_iter().zip(adjustment(&p)).for_each(|(place, p)| *place = Some(p));
    }
}

/// p-value of a difference, and the place of its adjusted p-value.
type Tested<'a> = (f64, &'a mut Option<f64>);

fn tested(estimate: Option<&mut Estimate>) -> Option<Tested<'_>> {
    let Estimate { p, p_adjusted, .. } = estimate?;
    Some(((*p)?, p_adjusted))
}
