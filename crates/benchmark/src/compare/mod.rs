//! Two respondents on the same questions: A is the reference, B what is compared with it, and every difference is B less A
//! on what both were asked.

pub mod foreign;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::metrics::Better;
use crate::outcome::Outcome;
use crate::perturb::Purpose;
use crate::score::Verdict;
use crate::stats::Bootstrap;
use crate::suite::{Suite, SuiteName};
use crate::summary::{ConditionSummary, EndpointTest, Estimate, MetricSummary, Summary};

pub mod epochs;

pub use epochs::{EffectiveRobustness, History, StageRetention};

/// Schema of a comparison's JSON.
pub const SCHEMA: &str = "compare/1";

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// For people.
    pub name: &'a str,
    /// What it answered.
    pub outcomes: &'a [Outcome],
    /// Its epochs, where it is a run.
    pub history: Option<&'a History>,
}

/// Two respondents compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The reference.
    pub a: SideSummary,
    /// What is compared with it.
    pub b: SideSummary,
    /// What was asked.
    pub suite: SuiteName,
    /// Questions (items under a condition) that both answered.
    pub both: usize,
    /// Items behind those.
    pub items: usize,
    /// Groups behind those; intervals and sign flips are clustered by them.
    pub groups: usize,
    /// Draws behind every interval.
    pub resamples: usize,
    /// In the order of the suite, those that both answered.
    pub conditions: Vec<ConditionPair>,
    /// Clean, by stage.
    pub stages: Vec<StagePair>,
    /// All metrics by id, on what both answered.
    pub metrics: IndexMap<String, MetricPair>,
    /// Attacks against the line of reference epochs; empty where there is none.
    pub effective_robustness: Vec<EffectiveRobustness>,
}

/// One of the two in a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideSummary {
    /// For people.
    pub name: String,
    /// Questions answered.
    pub outcomes: usize,
    /// Those the other did not answer; they are left out.
    pub alone: usize,
    /// What later epochs did to earlier stages; empty where it is no run of two epochs or more.
    pub retention: Vec<StageRetention>,
    /// Mean change of a stage's accuracy since the phase that taught it first (Lopez-Paz and Ranzato, 2017).
    pub backward_transfer: Option<f64>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionPair {
    /// As in the suite.
    pub id: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it was named before the run as one that a claim rests on.
    pub primary: bool,
    /// Items both answered.
    pub n: usize,
    /// Share A got right.
    pub accuracy_a: Option<f64>,
    /// Share B got right.
    pub accuracy_b: Option<f64>,
    /// Replies of A that are no answer; they count as wrong.
    pub unparsed_a: usize,
    /// Replies of B that are no answer.
    pub unparsed_b: usize,
    /// B less A.
    pub difference: Estimate,
    /// Items only A got right.
    pub only_a_right: usize,
    /// Items only B got right.
    pub only_b_right: usize,
    /// Exact McNemar test, which takes items as independent.
    pub p_mcnemar: f64,
    /// Sign-flip test over groups: the one to quote.
    pub p_sign_flip: f64,
    /// The latter adjusted, as `adjustment` says.
    pub p_adjusted: f64,
    /// Holm's among all primary endpoints, Benjamini and Hochberg's among the other conditions.
    pub adjustment: Adjustment,
}

/// How p-values are adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// Controls the chance of any false claim.
    Holm,
    /// Controls the share of false claims.
    BenjaminiHochberg,
}

/// One clinical stage, clean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StagePair {
    /// 1 to 4.
    pub stage: u8,
    /// Accuracy.
    pub accuracy: MetricPair,
    /// Accuracy corrected for chance.
    pub chance_corrected: MetricPair,
}

/// One metric of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPair {
    /// For people.
    pub label: String,
    /// Which direction is an improvement.
    pub better: Better,
    /// Of A; absent for those defined on both together.
    pub a: Option<Estimate>,
    /// Of B.
    pub b: Option<Estimate>,
    /// B less A.
    pub difference: Estimate,
    /// Whether it was named before the run as one that a claim rests on.
    #[serde(default)]
    pub primary: bool,
    /// Of the difference, where it is primary and the difference is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<EndpointTest>,
}

/// Why two sides cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// They answered nothing in common.
    #[error(
        "A and B answered no question in common -> compare outcomes of the same cases, items and conditions of one suite"
    )]
    NothingInCommon,
    /// They disagree about the questions.
    #[error("{}", .0.join("\n"))]
    Disagree(
        /// One message a kind of disagreement, with the first place.
        Vec<String>,
    ),
}

type Key<'a> = (&'a str, &'a str, &'a str);

fn key(outcome: &Outcome) -> Key<'_> {
    (&outcome.case_id, &outcome.item_id, &outcome.condition)
}

/// Compares `b` with `a`. `reference` are the epochs that show how robustness goes with clean accuracy.
///
/// # Errors
/// When they have nothing in common, or disagree about what was asked.
pub fn compare(
    suite: &Suite,
    a: Side<'_>,
    b: Side<'_>,
    reference: &[Summary],
    bootstrap: Bootstrap,
) -> Result<Comparison, CompareError> {
    let (keys_a, keys_b): (BTreeSet<_>, BTreeSet<_>) =
        (a.outcomes.iter().map(key).collect(), b.outcomes.iter().map(key).collect());
    let of_both = |outcomes: &[Outcome]| -> Vec<Outcome> {
        let both = |outcome: &&Outcome| keys_a.contains(&key(outcome)) && keys_b.contains(&key(outcome));
        outcomes.iter().filter(both).cloned().collect()
    };
    let (own_a, own_b) = (of_both(a.outcomes), of_both(b.outcomes));
    if own_a.is_empty() {
        return Err(CompareError::NothingInCommon);
    }
    agree(&own_a, &own_b)?;

    let summary = Summary::new(suite, &[], &own_b, Some(&own_a), bootstrap);
    let unparsed = |outcomes: &[Outcome]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Unparsed) {
            *counts.entry(outcome.condition.clone()).or_default() += 1;
        }
        counts
    };
    let (unparsed_a, unparsed_b) = (unparsed(&own_a), unparsed(&own_b));
    let count = |counts: &BTreeMap<String, usize>, id: &str| counts.get(id).copied().unwrap_or_default();
    let conditions = summary
        .conditions
        .iter()
        .filter(|condition| condition.n > 0)
        .filter_map(|condition| {
            let pair = condition_pair(condition)?;
            let (unparsed_a, unparsed_b) = (count(&unparsed_a, &pair.id), count(&unparsed_b, &pair.id));
            Some(ConditionPair { unparsed_a, unparsed_b, ..pair })
        })
        .collect();
    let metrics: IndexMap<String, MetricPair> =
        summary.metrics.iter().filter_map(|(id, metric)| Some((id.clone(), metric_pair(metric)?))).collect();
    let clean = &suite.clean().id;
    let stages = (1..=4)
        .filter_map(|stage| {
            let accuracy = metrics.get(&format!("accuracy:{clean}:stage_{stage}"))?.clone();
            let chance_corrected = metrics.get(&format!("chance_corrected:stage_{stage}"))?.clone();
            (accuracy.difference.n > 0).then_some(StagePair { stage, accuracy, chance_corrected })
        })
        .collect();
    let side = |side: Side<'_>| SideSummary {
        name: side.name.to_owned(),
        outcomes: side.outcomes.len(),
        alone: side.outcomes.len() - own_a.len(),
        retention: side.history.map(History::retention).unwrap_or_default(),
        backward_transfer: side.history.and_then(History::backward_transfer),
    };
    Ok(Comparison {
        schema: SCHEMA.to_owned(),
        a: side(a),
        b: side(b),
        suite: suite.into(),
        both: own_a.len(),
        items: summary.items,
        groups: summary.groups,
        resamples: summary.resamples,
        effective_robustness: epochs::effective_robustness(suite, &metrics, reference),
        conditions,
        stages,
        metrics,
    })
}

fn condition_pair(condition: &ConditionSummary) -> Option<ConditionPair> {
    let gain = condition.gain_vs_base.as_ref()?;
    Some(ConditionPair {
        id: condition.id.clone(),
        purpose: condition.purpose,
        primary: condition.primary,
        n: gain.estimate.n,
        accuracy_a: condition.base.and_then(|base| base.value),
        accuracy_b: condition.accuracy,
        unparsed_a: 0,
        unparsed_b: condition.unparsed,
        difference: gain.estimate,
        only_a_right: gain.only_base_right,
        only_b_right: gain.only_tuned_right,
        p_mcnemar: gain.p_mcnemar,
        p_sign_flip: gain.p_sign_flip,
        p_adjusted: gain.p_adjusted,
        adjustment: if condition.primary { Adjustment::Holm } else { Adjustment::BenjaminiHochberg },
    })
}

fn metric_pair(metric: &MetricSummary) -> Option<MetricPair> {
    let difference = metric.gain_vs_base?;
    let b = Some(metric.estimate).filter(|_| metric.base.is_some());
    Some(MetricPair {
        label: metric.label.clone(),
        better: metric.better,
        a: metric.base,
        b,
        difference,
        primary: metric.primary,
        test: metric.test,
    })
}

/// That both were asked the same: the same right answer, group and stage for the same question.
fn agree(a: &[Outcome], b: &[Outcome]) -> Result<(), CompareError> {
    let theirs: BTreeMap<Key<'_>, &Outcome> = b.iter().map(|outcome| (key(outcome), outcome)).collect();
    let mut problems: IndexMap<&str, (String, usize)> = IndexMap::new();
    for mine in a {
        let Some(other) = theirs.get(&key(mine)) else { continue };
        let fields: [(&str, String, String); 3] = [
            ("gold", mine.gold.clone(), other.gold.clone()),
            ("group_id", mine.group_id.clone(), other.group_id.clone()),
            ("stage", mine.stage.to_string(), other.stage.to_string()),
        ];
        for (field, own, theirs) in fields.into_iter().filter(|(_, own, theirs)| own != theirs) {
            let (case, item, condition) = key(mine);
            let place = format!(
                "case {case}, item {item}, condition {condition}: {field}: is `{own}` in A and `{theirs}` in B"
            );
            problems.entry(field).or_insert((place, 0)).1 += 1;
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let message = |(place, count): (String, usize)| {
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        format!("{place}{more} -> compare outcomes of the same cases, asked by the same suite")
    };
    Err(CompareError::Disagree(problems.into_values().map(message).collect()))
}
