//! One epoch's numbers: every condition and every metric with its interval, its denominator, and its gain over the base.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::compat::CompatScore;
use crate::metrics::fake_robustness::{self, Check};
use crate::metrics::family::representatives;
use crate::metrics::{self, Better, Groups, Ledger, Metric, attack};
use crate::outcome::Outcome;
use crate::perturb::Purpose;
use crate::plan::Plan;
use crate::runner::Run;
use crate::score::parse::PARSER_VERSION;
use crate::score::{Scoring, Verdict};
use crate::stats::correction::{benjamini_hochberg, holm};
use crate::stats::paired::{mcnemar_exact, sign_flip};
use crate::stats::rate::{rule_of_three, wilson};
use crate::stats::swap::swap;
use crate::stats::{Bootstrap, Statistic};
use crate::suite::{Condition, Suite, SuiteName};

/// Schema of `summary.json`.
pub const SCHEMA: &str = "benchmark/1";

/// `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What was asked; only summaries of one digest may be compared.
    pub suite: SuiteName,
    /// How choices and yes/no questions were decided.
    pub scoring: Scoring,
    /// Version of the rules that read generated replies.
    #[serde(default)]
    pub parser: String,
    /// Cases with an outcome.
    pub cases: usize,
    /// Cases that the suite asks at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cases: Option<usize>,
    /// Groups with an outcome; intervals are clustered by them.
    pub groups: usize,
    /// Items with an outcome.
    pub items: usize,
    /// Draws behind every interval.
    pub resamples: usize,
    /// In the order of the suite.
    pub conditions: Vec<ConditionSummary>,
    /// By id.
    pub metrics: IndexMap<String, MetricSummary>,
    /// Whether attacks worked as attacks do, so that what withstood them is robust and not merely badly attacked.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// What published scoring rules make of the same replies; empty where that was not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compat: Vec<CompatScore>,
}

/// A number with its interval and denominator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Absent where it is not defined, as a share of nothing.
    pub value: Option<f64>,
    /// 95 % interval by cluster bootstrap.
    pub ci: Option<[f64; 2]>,
    /// Items, or cases for chains.
    pub n: usize,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// For people.
    pub label: String,
    /// Which direction is an improvement.
    pub better: Better,
    /// Of the respondent.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Of the base, on all it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Estimate>,
    /// Respondent less base, on what both were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_vs_base: Option<Estimate>,
    /// Whether it was named before the run as one that a claim rests on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub primary: bool,
    /// Of the gain, where it is primary and the gain is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<EndpointTest>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The test of a primary endpoint that is a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointTest {
    /// Swap test over groups, two-sided.
    pub p_swap: f64,
    /// Adjusted by Holm among all primary endpoints, conditions and metrics together.
    pub p_adjusted: f64,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionSummary {
    /// As in the suite.
    pub id: String,
    /// Its entry in the registry of perturbations.
    pub kind: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What its effect is measured against.
    pub control: Option<String>,
    /// Whether it was named before the run as one that a claim rests on.
    pub primary: bool,
    /// Whether it speaks for its family of attacks in `robust_accuracy` and `mean_attacked_accuracy`.
    #[serde(default)]
    pub representative: bool,
    /// Items asked.
    pub n: usize,
    /// Items right.
    pub right: usize,
    /// Items wrong.
    pub wrong: usize,
    /// Replies that are no answer; they count as wrong.
    pub unparsed: usize,
    /// Those of the base, on all it was asked; absent where that is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unparsed_base: Option<usize>,
    /// Replies that gave the answer a hint named.
    pub followed: usize,
    /// Items that the suite asks at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_items: Option<usize>,
    /// Items left out.
    pub skipped: usize,
    /// Why they were.
    pub skipped_by_reason: BTreeMap<String, usize>,
    /// Right over asked.
    pub accuracy: Option<f64>,
    /// 95 % interval by cluster bootstrap.
    pub ci: Option<[f64; 2]>,
    /// Wilson's 95 % interval, which takes items as independent.
    pub wilson: Option<[f64; 2]>,
    /// Where nothing was wrong, the largest rate of errors that 95 % confidence does not rule out, by the rule of three;
    /// takes items as independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_error_rate: Option<f64>,
    /// Accuracy of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Estimate>,
    /// Respondent less base, on the items both were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_vs_base: Option<Gain>,
}

/// A paired gain of accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Respondent less base.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Items only the respondent got right.
    pub only_tuned_right: usize,
    /// Items only the base got right.
    pub only_base_right: usize,
    /// Exact McNemar test, which takes items as independent.
    pub p_mcnemar: f64,
    /// Sign-flip test over groups: the one to quote.
    pub p_sign_flip: f64,
    /// The latter adjusted: by Holm among all primary endpoints, by Benjamini and Hochberg among the other conditions.
    pub p_adjusted: f64,
}

/// A primary endpoint: the accuracy under a condition, or a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrimaryEndpoint<'a> {
    /// Of the condition or the metric.
    pub id: &'a str,
    /// Which direction is an improvement.
    pub better: Better,
    /// Of the base, on all it was asked.
    pub base: Option<Estimate>,
    /// Of the respondent.
    pub estimate: Estimate,
    /// Respondent less base, on what both were asked.
    pub gain: Option<Estimate>,
    /// How the gain is tested.
    pub test: &'static str,
    /// What that gave.
    pub p: Option<f64>,
    /// Adjusted by Holm among all primary endpoints.
    pub p_adjusted: Option<f64>,
}

/// For each condition, the items left out by reason: those of the plan and those the respondent could not be asked.
#[must_use]
pub fn skips(plan: &Plan<'_>, run: &Run) -> Vec<BTreeMap<String, usize>> {
    plan.skipped
        .iter()
        .enumerate()
        .map(|(number, reasons)| {
            let unanswerable = run.unanswerable.get(number).into_iter().flatten();
            reasons.iter().chain(unanswerable).map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
        })
        .collect()
}

impl Summary {
    /// Summarises a respondent's outcomes, against those of the base where they are given.
    #[must_use]
    pub fn new(
        suite: &Suite,
        skips: &[BTreeMap<String, usize>],
        outcomes: &[Outcome],
        base: Option<&[Outcome]>,
        bootstrap: Bootstrap,
    ) -> Self {
        let groups = Groups::new(outcomes.iter().chain(base.unwrap_or_default()));
        let own = Ledger::new(suite, &groups, outcomes);
        let base = base.map(|base| Ledger::new(suite, &groups, base));
        let pair = base.as_ref().map(|base| own.common(base));
        let asked = Asked { own, base, pair };
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

    /// What was named before the run as that which claims rest on: conditions, then metrics.
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

    /// A metric's own estimate.
    #[must_use]
    pub fn estimate(&self, id: &str) -> Option<Estimate> {
        Some(self.metrics.get(id)?.estimate)
    }

    /// A metric's gain over the base.
    #[must_use]
    pub fn gain(&self, id: &str) -> Option<Estimate> {
        self.metrics.get(id)?.gain_vs_base
    }
}

/// Who was asked: the respondent and the base, each on all it was asked, and both on what both were.
struct Asked<'a> {
    own: Ledger<'a>,
    base: Option<Ledger<'a>>,
    pair: Option<(Ledger<'a>, Ledger<'a>)>,
}

impl Asked<'_> {
    /// All metrics by id.
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

    /// Condition number `c`.
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
        // Where both were asked nothing in common there is nothing to test, and no test to correct others for.
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

/// Of every metric the test, where it is primary, and the difference; both ledgers hold the same items.
fn against(own: &Ledger<'_>, base: &Ledger<'_>) -> (Vec<Option<EndpointTest>>, Vec<Metric>) {
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

/// Adjusts the p-values within the primary endpoints and within the other conditions.
fn adjust(conditions: &mut [ConditionSummary], metrics: &mut IndexMap<String, MetricSummary>) {
    let (primary, others): (Vec<_>, Vec<_>) =
        conditions.iter_mut().filter(|condition| condition.n > 0).partition(|condition| condition.primary);
    // The p-value of each test, and where its adjusted one goes.
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
