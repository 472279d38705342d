//! Summary of one evaluation: every condition and every metric with its interval, its denominator and its gain
//! over the base.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::compat::CompatScore;
use crate::metrics::fake_robustness::{self, Check};
use crate::metrics::family::representatives;
use crate::metrics::{self, Better, Clusters, Metric, OutcomeTable, attack};
use crate::outcome::Outcome;
use crate::perturb::Purpose;
use crate::score::parse::PARSER_VERSION;
use crate::score::{SCORING_VERSION, Scoring, Verdict};
use crate::stats::correction::{benjamini_hochberg, holm};
use crate::stats::paired::{mcnemar_exact, sign_flip};
use crate::stats::rate::{rule_of_three, wilson};
use crate::stats::swap::swap;
use crate::stats::{Bootstrap, Statistic};
use crate::suite::{Condition, Suite, SuiteName};

/// Schema version of `summary.json`.
pub const SCHEMA: &str = "benchmark/1";

/// Summary of one evaluation of a model; the content of `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Suite that was asked. Only summaries with equal suite digests may be compared.
    pub suite: SuiteName,
    /// How choices and yes/no questions were scored.
    pub scoring: Scoring,
    /// Version of the rule that decides among scored options.
    #[serde(default)]
    pub scoring_version: String,
    /// Version of the parser of generated text.
    #[serde(default)]
    pub parser: String,
    /// Number of cases with an outcome.
    pub cases: usize,
    /// The suite's cap on cases; `None` without a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cases: Option<usize>,
    /// Number of groups (patients) with an outcome, of the model or the base. Intervals are clustered by group.
    pub groups: usize,
    /// Number of items with an outcome.
    pub items: usize,
    /// Bootstrap draws of every interval.
    pub resamples: usize,
    /// Conditions in the order of the suite.
    pub conditions: Vec<ConditionSummary>,
    /// Metrics by id.
    pub metrics: IndexMap<String, MetricSummary>,
    /// Checks that the attacks worked, so that robustness is not the result of a failed attack.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Scores of the same responses under published scoring rules; empty unless requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compat: Vec<CompatScore>,
}

/// A value with its interval and denominator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// `None` where the value is not defined, such as a share of zero items.
    pub value: Option<f64>,
    /// 95 % interval (low, high) of the cluster bootstrap; `None` where it is not defined.
    pub ci: Option<[f64; 2]>,
    /// Denominator: items, or cases for metrics of chains.
    pub n: usize,
}

/// One metric of a summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// Readable name.
    pub label: String,
    /// Which direction is an improvement.
    pub better: Better,
    /// Estimate of the model.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Estimate of the base on all items that the base answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Estimate>,
    /// Model minus base on the items that both answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_vs_base: Option<Estimate>,
    /// Whether the suite names this metric as a primary endpoint.
    #[serde(default, skip_serializing_if = "is_false")]
    pub primary: bool,
    /// Test of the gain; `None` unless the metric is primary and the gain is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<EndpointTest>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The test of a primary endpoint that is a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointTest {
    /// Two-sided p-value of the swap test over groups.
    pub p_swap: f64,
    /// p-value adjusted by Holm over all primary endpoints, conditions and metrics together.
    pub p_adjusted: f64,
}

/// One condition of a summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionSummary {
    /// Id of the condition in the suite.
    pub id: String,
    /// Kind of the perturbation.
    pub kind: String,
    /// Purpose of the condition.
    pub purpose: Purpose,
    /// Id of the condition that the effect is measured against; `None` without a control.
    pub control: Option<String>,
    /// Whether the suite names this condition as a primary endpoint.
    pub primary: bool,
    /// Whether the condition is the representative of its attack family in
    /// `robust_accuracy` and `mean_attacked_accuracy`.
    #[serde(default)]
    pub representative: bool,
    /// Number of items answered.
    pub n: usize,
    /// Number of right answers.
    pub right: usize,
    /// Number of wrong answers, without unparsed responses.
    pub wrong: usize,
    /// Number of unparsed responses. Accuracy counts them as not right.
    pub unparsed: usize,
    /// Number of unparsed responses of the base; `None` where the base answered no item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unparsed_base: Option<usize>,
    /// Number of answers that equal the answer suggested by the condition.
    pub followed: usize,
    /// The condition's cap on items; `None` without a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_items: Option<usize>,
    /// Number of items left out.
    pub skipped: usize,
    /// Number of items left out, by reason.
    pub skipped_by_reason: BTreeMap<String, usize>,
    /// Right answers divided by answered items; `None` without items.
    pub accuracy: Option<f64>,
    /// 95 % interval (low, high) of the cluster bootstrap.
    pub ci: Option<[f64; 2]>,
    /// Wilson's 95 % interval, which treats items as independent.
    pub wilson: Option<[f64; 2]>,
    /// Upper 95 % bound of the error rate by the rule of three, which treats items as independent; `None` unless all
    /// answers are right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_error_rate: Option<f64>,
    /// Accuracy of the base on all items that the base answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Estimate>,
    /// Model minus base on the items that both answered; `None` without such items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_vs_base: Option<Gain>,
}

/// Paired gain in accuracy of the model over the base.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Gain as a share of 1.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Number of items that only the model got right.
    pub only_tuned_right: usize,
    /// Number of items that only the base got right.
    pub only_base_right: usize,
    /// p-value of the exact McNemar test, which treats items as independent.
    pub p_mcnemar: f64,
    /// p-value of the sign-flip test over groups. Quote this one, because items of a group are not independent.
    pub p_sign_flip: f64,
    /// `p_sign_flip` adjusted: by Holm over the primary endpoints, by Benjamini and Hochberg over the other conditions.
    pub p_adjusted: f64,
}

/// Primary endpoint: the accuracy under a condition, or a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrimaryEndpoint<'a> {
    /// Id of the condition or the metric.
    pub id: &'a str,
    /// Which direction is an improvement.
    pub better: Better,
    /// Estimate of the base on all items that the base answered.
    pub base: Option<Estimate>,
    /// Estimate of the model.
    pub estimate: Estimate,
    /// Model minus base on the items that both answered.
    pub gain: Option<Estimate>,
    /// Name of the test of the gain.
    pub test: &'static str,
    /// p-value of the test.
    pub p: Option<f64>,
    /// p-value adjusted by Holm over all primary endpoints.
    pub p_adjusted: Option<f64>,
}

impl Summary {
    /// Summarises a model's outcomes, paired with the outcomes of the base where given. `skips` holds,
    /// for each condition, the number of items left out by reason, as [`Run::skips`](crate::runner::Run::skips) counts them.
    #[must_use]
    pub fn new(
        suite: &Suite,
        skips: &[BTreeMap<String, usize>],
        outcomes: &[Outcome],
        base: Option<&[Outcome]>,
        bootstrap: Bootstrap,
    ) -> Self {
        let groups = Clusters::new(outcomes.iter().chain(base.unwrap_or_default()));
        let own = OutcomeTable::new(suite, &groups, outcomes);
        let base = base.map(|base| OutcomeTable::new(suite, &groups, base));
        let pair = base.as_ref().map(|base| own.common(base));
        let asked = Sides { own, base, pair };
        let mut metrics = asked.metrics(&bootstrap);
        let mut conditions: Vec<ConditionSummary> = suite
            .conditions
            .iter()
            .enumerate()
            .map(|(c, condition)| {
                let skips = skips.get(c).cloned().unwrap_or_default();
                asked.condition(condition, c, &metrics, skips)
            })
            .collect();
        adjust(&mut conditions, &mut metrics);

        let cases = asked.own.rows.chunk_by(|a, b| a.case_id == b.case_id).count();
        Self {
            schema: SCHEMA.to_owned(),
            suite: suite.into(),
            scoring: suite.scoring,
            scoring_version: SCORING_VERSION.to_owned(),
            parser: PARSER_VERSION.to_owned(),
            cases,
            max_cases: suite.max_cases,
            groups: groups.len(),
            items: asked.own.rows.len(),
            resamples: bootstrap.resamples,
            conditions,
            metrics,
            checks: fake_robustness::checks(&asked.own),
            compat: Vec::new(),
        }
    }

    /// Returns the primary endpoints: conditions, then metrics.
    pub fn primary(&self) -> impl Iterator<Item = PrimaryEndpoint<'_>> {
        let conditions =
            self.conditions.iter().filter(|condition| condition.primary).map(|condition| PrimaryEndpoint {
                id: &condition.id,
                better: Better::Higher,
                base: condition.base,
                estimate: Estimate { value: condition.accuracy, ci: condition.ci, n: condition.n },
                gain: condition.gain_vs_base.map(|gain| gain.estimate),
                test: "sign flip",
                p: condition.gain_vs_base.map(|gain| gain.p_sign_flip),
                p_adjusted: condition.gain_vs_base.map(|gain| gain.p_adjusted),
            });
        let metrics = self.metrics.iter().filter(|(_, metric)| metric.primary).map(|(id, metric)| PrimaryEndpoint {
            id,
            better: metric.better,
            base: metric.base,
            estimate: metric.estimate,
            gain: metric.gain_vs_base,
            test: "swap",
            p: metric.test.map(|test| test.p_swap),
            p_adjusted: metric.test.map(|test| test.p_adjusted),
        });
        conditions.chain(metrics)
    }

    /// Returns the model's estimate of a metric; `None` for an unknown id.
    #[must_use]
    pub fn estimate(&self, id: &str) -> Option<Estimate> {
        Some(self.metrics.get(id)?.estimate)
    }

    /// Returns a metric's gain over the base; `None` for an unknown id or without a base.
    #[must_use]
    pub fn gain(&self, id: &str) -> Option<Estimate> {
        self.metrics.get(id)?.gain_vs_base
    }
}

/// Outcome tables of the model and the base: each with all of its outcomes, and both restricted to common items.
struct Sides<'a> {
    own: OutcomeTable<'a>,
    base: Option<OutcomeTable<'a>>,
    pair: Option<(OutcomeTable<'a>, OutcomeTable<'a>)>,
}

impl Sides<'_> {
    /// Summarises all metrics, by id.
    fn metrics(&self, bootstrap: &Bootstrap) -> IndexMap<String, MetricSummary> {
        let Self { own, base, pair } = self;
        let bounded = |metrics: Vec<Metric>| bounded(metrics, bootstrap, own.groups);
        let of_own = bounded(metrics::all(own));
        let of_base = base.as_ref().map(|base| bounded(metrics::all(base)));
        let (tests, gains) = pair.as_ref().map(|(own, base)| against(own, base)).unzip();
        let gains = gains.map(bounded);
        let both_right = pair.as_ref().map(|(own, base)| bounded(attack::on_items_both_got_right(own, base)));

        let estimates = |set: &Option<Vec<Bounded>>, place: usize| Some(set.as_ref()?.get(place)?.estimate);
        let of_one = of_own.iter().enumerate().map(|(place, metric)| {
            let summary = MetricSummary {
                label: metric.label.clone(),
                better: metric.better,
                estimate: metric.estimate,
                base: estimates(&of_base, place),
                gain_vs_base: estimates(&gains, place),
                primary: own.suite.is_primary_metric(&metric.id),
                test: tests.as_ref().and_then(|tests| tests[place]),
            };
            (metric.id.clone(), summary)
        });
        let of_both = both_right.into_iter().flatten().map(|metric| {
            let summary = MetricSummary {
                label: metric.label,
                better: metric.better,
                estimate: Estimate { value: None, ci: None, n: metric.estimate.n },
                base: None,
                gain_vs_base: Some(metric.estimate),
                primary: false,
                test: None,
            };
            (metric.id, summary)
        });
        of_one.chain(of_both).collect()
    }

    /// Summarises condition number `c`.
    fn condition(
        &self,
        condition: &Condition,
        c: usize,
        metrics: &IndexMap<String, MetricSummary>,
        skipped_by_reason: BTreeMap<String, usize>,
    ) -> ConditionSummary {
        let Self { own, base, pair } = self;
        let outcomes: Vec<&Outcome> = own.rows.iter().filter_map(|row| row.at(c)).collect();
        let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
        let is_unparsed = |outcome: &&Outcome| outcome.verdict == Verdict::Unparsed;
        let (n, right) = (outcomes.len(), count(Verdict::Right));
        let metric = metrics.get(&format!("accuracy:{}", condition.id));
        // Without common items there is no test, and it must not count in the adjustment of the others.
        let gain = metric.and_then(|metric| metric.gain_vs_base).filter(|gain| gain.n > 0);
        let gain_vs_base = pair.as_ref().zip(gain).map(|((own, base), estimate)| {
            let mut by_group = vec![0.0; own.groups];
            let (mut only_tuned_right, mut only_base_right) = (0, 0);
            for (mine, theirs) in own.rows.iter().zip(&base.rows) {
                let (Some(mine_right), Some(theirs_right)) = (mine.right(c), theirs.right(c)) else {
                    continue;
                };
                by_group[mine.group] += mine_right - theirs_right;
                only_tuned_right += usize::from(mine_right > theirs_right);
                only_base_right += usize::from(theirs_right > mine_right);
            }
            let p_sign_flip = sign_flip(&by_group, own.suite.seed);
            Gain {
                estimate,
                only_tuned_right,
                only_base_right,
                p_mcnemar: mcnemar_exact(only_tuned_right, only_base_right),
                p_sign_flip,
                p_adjusted: p_sign_flip,
            }
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
            base: metric.and_then(|metric| metric.base),
            gain_vs_base,
        }
    }
}

/// Returns the test of every primary metric and the difference of every metric. Both tables must hold the same items.
fn against(own: &OutcomeTable<'_>, base: &OutcomeTable<'_>) -> (Vec<Option<EndpointTest>>, Vec<Metric>) {
    let pairs = metrics::all(own).into_iter().zip(metrics::all(base));
    pairs
        .map(|(tuned, untuned)| {
            let test = own
                .suite
                .is_primary_metric(&tuned.id)
                .then(|| swap(&[(&untuned.statistic, &tuned.statistic)], own.groups, own.suite.seed))
                .flatten()
                .map(|p_swap| EndpointTest { p_swap, p_adjusted: p_swap });
            (test, Metric::difference(tuned, untuned))
        })
        .unzip()
}

struct Bounded {
    id: String,
    label: String,
    better: Better,
    estimate: Estimate,
}

fn bounded(metrics: Vec<Metric>, bootstrap: &Bootstrap, groups: usize) -> Vec<Bounded> {
    let (described, statistics): (Vec<_>, Vec<Statistic>) = metrics
        .into_iter()
        .map(|Metric { id, label, better, n, statistic }| ((id, label, better, n), statistic))
        .unzip();
    let intervals = bootstrap.intervals(&statistics, groups);
    described
        .into_iter()
        .zip(statistics)
        .zip(intervals)
        .map(|(((id, label, better, n), statistic), interval)| {
            let value = statistic.value();
            Bounded { id, label, better, estimate: Estimate { value, ci: interval.filter(|_| value.is_some()), n } }
        })
        .collect()
}

/// Adjusts the p-values: by Holm over the primary endpoints, by Benjamini and Hochberg over the other conditions.
fn adjust(conditions: &mut [ConditionSummary], metrics: &mut IndexMap<String, MetricSummary>) {
    let (primary, others): (Vec<_>, Vec<_>) =
        conditions.iter_mut().filter(|condition| condition.n > 0).partition(|condition| condition.primary);
    // Pairs of a test's p-value and the place of its adjusted p-value.
    let of_gain = |condition| {
        let condition: &mut ConditionSummary = condition;
        condition.gain_vs_base.as_mut().map(|gain| (gain.p_sign_flip, &mut gain.p_adjusted))
    };
    let of_metrics = metrics.values_mut().filter_map(|metric| metric.test.as_mut());
    let of_metrics = of_metrics.map(|test| (test.p_swap, &mut test.p_adjusted));
    let claims: Vec<(f64, &mut f64)> = primary.into_iter().filter_map(of_gain).chain(of_metrics).collect();
    let rest: Vec<(f64, &mut f64)> = others.into_iter().filter_map(of_gain).collect();
    for (family, adjustment) in [(claims, holm as fn(&[f64]) -> Vec<f64>), (rest, benjamini_hochberg)] {
        let (p, adjusted): (Vec<f64>, Vec<&mut f64>) = family.into_iter().unzip();
        adjusted.into_iter().zip(adjustment(&p)).for_each(|(place, p)| *place = p);
    }
}
