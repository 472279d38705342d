//! Summary of one evaluation: every condition and every metric with its interval, its denominator and its gain
//! over the base.

pub(crate) mod by_id;
mod sentences;
mod sides;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::compat::CompatScore;
use crate::metrics::fake_robustness::{self, Check};
use crate::metrics::majority::one_answer_questions;
use crate::metrics::{Better, Crossing, OneAnswerQuestion, OutcomeTable, Subgroup};
use crate::outcome::Outcome;
use crate::perturb::Purpose;
use crate::score::parse::PARSER_VERSION;
use crate::score::{SCORING_VERSION, Scoring};
use crate::stats::{FEWEST_CLUSTERS, Inference};
use crate::suite::{Suite, SuiteName};

pub use sentences::{SentenceEffect, SentenceSpread};
use sides::{Sides, adjust};

/// Schema name and version of `summary.json`.
pub const SCHEMA: &str = "benchmark/3";

/// Largest share of the items that one patient may hold. In simulations no method kept the stated coverage of its
/// intervals above it.
pub const LARGE_GROUP: f64 = 0.25;

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
    /// Number of groups (patients) with an outcome, of the model or the base. Intervals and tests are over new patients
    /// and new questions.
    pub groups: usize,
    /// Number of different questions with an outcome.
    pub questions: usize,
    /// Share of the items that the patient with the most items holds, 0 to 1. Above [`LARGE_GROUP`] no method keeps the
    /// stated coverage of intervals.
    pub largest_group: f64,
    /// Number of items with an outcome.
    pub items: usize,
    /// Conditions in the order of the suite.
    pub conditions: Vec<ConditionSummary>,
    /// Metrics by id, in a fixed order, also those without items: over all items, then of subgroups (category, modality,
    /// data set). In JSON a list of objects with an `id`.
    #[serde(with = "by_id")]
    pub metrics: IndexMap<String, MetricSummary>,
    /// Questions of the suite's cases whose items, two or more, all have one right answer. A model needs no image to
    /// answer them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_answer_questions: Vec<OneAnswerQuestion>,
    /// Checks that the attacks worked, so that robustness is not the result of a failed attack.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Scores of the same responses under published scoring rules; empty unless requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compat: Vec<CompatScore>,
}

/// A value with its interval, its p-value where it is a difference, and its denominator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// `None` where the value is not defined, such as a share of zero items.
    pub value: Option<f64>,
    /// 95 % interval (low, high) over new patients, new questions and drawn sentences, for metrics of chains over new
    /// patients; `None` where it is not bounded.
    pub ci: Option<[f64; 2]>,
    /// Denominator: items, or cases for metrics of chains.
    pub n: usize,
    /// Two-sided p-value of a difference of 0, from the same sampling as the interval; `None` for a value that is no
    /// difference, or where the variance is not defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// `p` adjusted: in an evaluation by Holm over all primary endpoints, or by Benjamini and Hochberg over the gains
    /// under the other conditions; `None` where the estimate belongs to neither family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// Number of patients, of questions or of drawn sentences, whichever is smallest, that the interval rests on; 0 where
    /// it is not bounded.
    #[serde(default)]
    pub clusters: usize,
}

impl Estimate {
    /// Creates the estimate of a value that is no difference, so without a p-value. `n` is the denominator. All else is
    /// None, and `clusters` 0, where `found` is None.
    #[must_use]
    pub fn of_value(found: Option<Inference>, n: usize) -> Self {
        Self { p: None, ..Self::of_difference(found, n) }
    }

    /// Creates the estimate of a difference, with its p-value, not adjusted. `n` is the denominator. All else is None,
    /// and `clusters` 0, where `found` is None.
    #[must_use]
    pub fn of_difference(found: Option<Inference>, n: usize) -> Self {
        Self {
            value: found.map(|found| found.value),
            ci: found.and_then(|found| found.ci),
            n,
            p: found.and_then(|found| found.p),
            p_adjusted: None,
            clusters: found.map_or(0, |found| found.clusters),
        }
    }

    /// Returns whether a claim may rest on the difference: it rests on [`FEWEST_CLUSTERS`] patients and questions or
    /// more, its p-value, adjusted where it belongs to a family of tests, is below 0.05, and its 95 % interval excludes
    /// zero. False without p-value or interval.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.clusters >= FEWEST_CLUSTERS
            && self.p_adjusted.or(self.p).is_some_and(|p| p < 0.05)
            && self.ci.is_some_and(|[low, high]| low > 0.0 || high < 0.0)
    }
}

/// One metric of a summary: its values of model and base, and the gain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// Readable name.
    pub label: String,
    /// Which direction is an improvement.
    pub better: Better,
    /// Estimate of the model.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Estimate of the base on all items that the base answered; `None` without a base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Estimate>,
    /// Model minus base on the items that both answered, in JSON `difference`; `None` without a base.
    #[serde(default, rename = "difference", alias = "gain_vs_base", skip_serializing_if = "Option::is_none")]
    pub gain_vs_base: Option<Estimate>,
    /// Whether the suite names this metric as a primary endpoint.
    #[serde(default, skip_serializing_if = "is_false")]
    pub primary: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// One condition of a summary: counts of answers, accuracy with intervals, and gain over the base.
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
    /// Number of items left out, by reason; empty where no item is.
    pub skipped_by_reason: BTreeMap<String, usize>,
    /// Right answers divided by answered items; `None` without items.
    pub accuracy: Option<f64>,
    /// 95 % interval (low, high) over new patients and new questions; `None` where it is not bounded.
    pub ci: Option<[f64; 2]>,
    /// Wilson's 95 % interval (low, high), which treats items as independent; `None` without items.
    pub wilson: Option<[f64; 2]>,
    /// Upper 95 % bound of the error rate by the rule of three, which treats items as independent; `None` unless all
    /// answers are right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen_error_rate: Option<f64>,
    /// Effect by sentence; `None` where fewer than two sentences were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentences: Option<SentenceSpread>,
    /// Accuracy of the base on all items that the base answered; `None` without a base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Estimate>,
    /// Two-sided p-value of the gain, over new patients and new questions; `None` without a gain, or where its variance
    /// is not defined.
    #[serde(default)]
    pub p: Option<f64>,
    /// Model minus base on the items that both answered, in JSON `difference`; `None` without such items.
    #[serde(default, rename = "difference", alias = "gain_vs_base", skip_serializing_if = "Option::is_none")]
    pub gain_vs_base: Option<Gain>,
}

impl ConditionSummary {
    /// Returns the accuracy with its interval and denominator, without a p-value and with `clusters` 0.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate { value: self.accuracy, ci: self.ci, n: self.n, ..Estimate::default() }
    }
}

/// Gain in accuracy of the model over the base, paired on the items that both answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Gain as a share of 1.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Number of items that only the model got right, of the items that both answered.
    pub only_tuned_right: usize,
    /// Number of items that only the base got right, of the items that both answered.
    pub only_base_right: usize,
    /// p-value of the exact McNemar test, which treats items as independent.
    pub p_mcnemar: f64,
}

/// Primary endpoint, named in the suite before the run: the accuracy under a condition, or a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrimaryEndpoint<'a> {
    /// Id of the condition or the metric.
    pub id: &'a str,
    /// Which direction is an improvement.
    pub better: Better,
    /// Estimate of the base on all items that the base answered; `None` without a base.
    pub base: Option<Estimate>,
    /// Estimate of the model.
    pub estimate: Estimate,
    /// Model minus base on the items that both answered; `None` without a base.
    pub gain: Option<Estimate>,
}

impl Summary {
    /// Summarises a model's outcomes, paired with the outcomes of the base where given. `skips` holds, for each
    /// condition, the number of items left out by reason, as [`Run::skips`](crate::runner::Run::skips) counts them;
    /// missing conditions count none. Outcomes of conditions that `suite` lacks are ignored. Values of the base and
    /// gains are None without a base. Scores of published rules stay empty.
    #[must_use]
    pub fn new(
        suite: &Suite,
        skips: &[BTreeMap<String, usize>],
        outcomes: &[Outcome],
        base: Option<&[Outcome]>,
    ) -> Self {
        let base_outcomes = base.unwrap_or_default();
        let crossing = Crossing::new(outcomes.iter().chain(base_outcomes));
        let cells = crossing.cells();
        let own = OutcomeTable::new(suite, &crossing, outcomes);
        let base = base.map(|base| OutcomeTable::new(suite, &crossing, base));
        let pair = base.as_ref().map(|base| own.common(base));
        let subgroups = Subgroup::all(outcomes.iter().chain(base_outcomes), &suite.primary);
        let asked = Sides { own, base, pair, cells, subgroups };
        let mut metrics = asked.metrics();
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
            groups: cells.patient_count(),
            questions: cells.question_count(),
            largest_group: asked.own.largest_patient(cells),
            items: asked.own.rows.len(),
            conditions,
            metrics,
            one_answer_questions: one_answer_questions(&asked.own),
            checks: fake_robustness::checks(&asked.own),
            compat: Vec::new(),
        }
    }

    /// Iterates over the primary endpoints of the suite: first conditions, then metrics, each in the order of the
    /// summary.
    pub fn primary(&self) -> impl Iterator<Item = PrimaryEndpoint<'_>> {
        let conditions =
            self.conditions.iter().filter(|condition| condition.primary).map(|condition| PrimaryEndpoint {
                id: &condition.id,
                better: Better::Higher,
                base: condition.base,
                estimate: condition.estimate(),
                gain: condition.gain_vs_base.map(|gain| gain.estimate),
            });
        let metrics = self.metrics.iter().filter(|(_, metric)| metric.primary).map(|(id, metric)| PrimaryEndpoint {
            id,
            better: metric.better,
            base: metric.base,
            estimate: metric.estimate,
            gain: metric.gain_vs_base,
        });
        conditions.chain(metrics)
    }

    /// Returns the model's estimate of the metric with this id; `None` for an unknown id.
    #[must_use]
    pub fn estimate(&self, id: &str) -> Option<Estimate> {
        Some(self.metrics.get(id)?.estimate)
    }

    /// Returns the gain over the base of the metric with this id, model less base; `None` for an unknown id or without
    /// a base.
    #[must_use]
    pub fn gain(&self, id: &str) -> Option<Estimate> {
        self.metrics.get(id)?.gain_vs_base
    }
}
