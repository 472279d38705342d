//! Comparison of two models on the same questions. A is the reference, B is compared with A, and every difference is B
//! less A on the questions that both answered.

mod epochs;
pub mod foreign;
mod metric_pair;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::perturb::Purpose;
use crate::score::Verdict;
use crate::suite::{Suite, SuiteName};
use crate::summary::{ConditionSummary, Estimate, Summary, by_id};

pub use epochs::{EffectiveRobustness, History, StageRetention};
pub use metric_pair::MetricPair;

/// Schema name and version of a comparison as JSON.
pub const SCHEMA: &str = "compare/3";

/// One side of a comparison, before it: the outcomes of one model, and the run that they come from.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Name shown to people.
    pub name: &'a str,
    /// Name of the checkpoint that gave the outcomes; None where the side is not a run.
    pub checkpoint: Option<&'a str>,
    /// Outcomes of the model, at most one per question (item under a condition).
    pub outcomes: &'a [Outcome],
    /// Epochs of the run; None where the side is not a run.
    pub history: Option<&'a History>,
}

/// Result of comparing two models on the questions that both answered: the reference A and the model B. Every
/// difference is B less A.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Summary of the reference.
    pub a: SideSummary,
    /// Summary of the model that is compared with the reference.
    pub b: SideSummary,
    /// Suite of the evaluation.
    pub suite: SuiteName,
    /// Number of questions (items under a condition) that both answered.
    pub both: usize,
    /// Number of different items in these questions.
    pub items: usize,
    /// Number of groups (patients) of these items. Intervals and tests are over new patients and new questions.
    pub groups: usize,
    /// Number of different questions of these items.
    pub questions: usize,
    /// Share of the items that the patient with the most items holds, 0 to 1.
    pub largest_group: f64,
    /// Conditions with items that both answered, in the order of the suite.
    pub conditions: Vec<ConditionPair>,
    /// Accuracies of the clinical stages on clean questions; stages without common items are left out.
    pub stages: Vec<StagePair>,
    /// All metrics by id, on the questions that both answered. In JSON a list of objects with an `id`.
    #[serde(with = "by_id")]
    pub metrics: IndexMap<String, MetricPair>,
    /// Effective robustness against the line of reference epochs, by attack; empty where there is no line.
    pub effective_robustness: Vec<EffectiveRobustness>,
}

/// One side in the result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideSummary {
    /// Name shown to people.
    pub name: String,
    /// Checkpoint of a run that the outcomes belong to; None where the side is not a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Number of questions answered.
    pub outcomes: usize,
    /// Number of questions that the other side did not answer; they are left out.
    pub alone: usize,
    /// Best and last accuracy of every stage over the epochs; empty where the side is not a run of two or more epochs.
    pub retention: Vec<StageRetention>,
    /// Mean change of a stage's accuracy since the first phase that trained on it (Lopez-Paz and Ranzato, 2017); None
    /// where it is not defined.
    pub backward_transfer: Option<f64>,
}

/// Accuracies of both models under one condition, on the items that both answered, with the tests of their difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionPair {
    /// Id of the condition in the suite.
    pub id: String,
    /// Purpose of the condition.
    pub purpose: Purpose,
    /// Whether the condition was named a primary endpoint before the run.
    pub primary: bool,
    /// Number of items that both answered.
    pub n: usize,
    /// Accuracy of A, 0 to 1; None without items.
    pub accuracy_a: Option<f64>,
    /// Accuracy of B, 0 to 1; None without items.
    pub accuracy_b: Option<f64>,
    /// Number of unparsed responses of A; they count as wrong.
    pub unparsed_a: usize,
    /// Number of unparsed responses of B; they count as wrong.
    pub unparsed_b: usize,
    /// Accuracy of B less accuracy of A.
    pub difference: Estimate,
    /// Number of items that only A got right.
    pub only_a_right: usize,
    /// Number of items that only B got right.
    pub only_b_right: usize,
    /// P-value of the exact McNemar test, which treats items as independent.
    pub p_mcnemar: f64,
    /// Two-sided p-value over new patients and new questions, the one to report; None where the variance is not
    /// defined.
    pub p: Option<f64>,
    /// `p` adjusted for multiple tests by the method in `adjustment`; None where `p` is None.
    pub p_adjusted: Option<f64>,
    /// Method of adjustment: Holm among all primary endpoints, Benjamini and Hochberg among the other conditions, of
    /// all those compared.
    pub adjustment: Adjustment,
}

/// Method by which the p-values of several tests are adjusted to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// Holm's method, which controls the probability of any false claim.
    Holm,
    /// Benjamini and Hochberg's method, which controls the expected share of false claims.
    BenjaminiHochberg,
}

/// Accuracies of both models in one clinical stage, on the clean questions that both answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StagePair {
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Accuracy on the stage.
    pub accuracy: MetricPair,
    /// Chance-corrected accuracy on the stage.
    pub chance_corrected: MetricPair,
}

/// Reason why two sides cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// The two sides answered no question in common.
    #[error(
        "A and B answered no question in common -> compare outcomes of the same cases, items and conditions of one suite"
    )]
    NothingInCommon,
    /// The two sides disagree about the questions.
    #[error("{}", .0.join("\n"))]
    Disagree(
        /// One message per disagreeing field, with its first place.
        Vec<String>,
    ),
}

/// Case, item and condition, which name a question.
pub(crate) type Key<'a> = (&'a str, &'a str, &'a str);

/// Returns the question of an outcome.
pub(crate) fn key(outcome: &Outcome) -> Key<'_> {
    (&outcome.case_id, &outcome.item_id, &outcome.condition)
}

/// Compares `b` with `a` on the questions (items under a condition of `suite`) that both answered; all others are only
/// counted. `reference` holds the epochs to which the line of effective robustness is fitted; empty for none. Neither
/// side may answer a question twice; this is not checked.
///
/// # Errors
/// [`CompareError::NothingInCommon`] when the two sides answered no question in common. [`CompareError::Disagree`] when
/// they disagree about the right answer, the unit of boxes, the group or the stage of a question, or when two versions of the scoring or
/// of the parser decided their answers.
///
/// # Panics
/// When the suite has no clean condition.
pub fn compare(suite: &Suite, a: Side<'_>, b: Side<'_>, reference: &[Summary]) -> Result<Comparison, CompareError> {
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

    let summary = Summary::new(suite, &[], &own_b, Some(&own_a));
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
        summary.metrics.iter().filter_map(|(id, metric)| Some((id.clone(), MetricPair::of(metric)?))).collect();
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
        checkpoint: side.checkpoint.map(str::to_owned),
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
        questions: summary.questions,
        largest_group: summary.largest_group,
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
        p: gain.estimate.p,
        p_adjusted: gain.estimate.p_adjusted,
        adjustment: if condition.primary { Adjustment::Holm } else { Adjustment::BenjaminiHochberg },
    })
}

/// Checks that both sides were asked the same and have the same right answer, group and stage, and that one version of
/// the scoring or of the parser decided both answers.
pub(crate) fn agree(a: &[Outcome], b: &[Outcome]) -> Result<(), CompareError> {
    let theirs: BTreeMap<Key<'_>, &Outcome> = b.iter().map(|outcome| (key(outcome), outcome)).collect();
    let mut problems: IndexMap<&str, (String, usize)> = IndexMap::new();
    for mine in a {
        let Some(other) = theirs.get(&key(mine)) else { continue };
        let mut fields: Vec<(&str, String, String)> = vec![
            ("box_format", mine.box_format.to_string(), other.box_format.to_string()),
            ("gold", mine.gold.clone(), other.gold.clone()),
            ("group_id", mine.group_id.clone(), other.group_id.clone()),
            ("stage", mine.stage.to_string(), other.stage.to_string()),
        ];
        if !mine.asked.is_empty() && !other.asked.is_empty() {
            fields.push(("asked", mine.asked.clone(), other.asked.clone()));
        }
        for (field, version) in [("scoring", scoring as fn(&Outcome) -> Option<&str>), ("parser", parser)] {
            if let (Some(own), Some(theirs)) = (version(mine), version(other)) {
                fields.push((field, own.to_owned(), theirs.to_owned()));
            }
        }
        if mine.box_format != other.box_format {
            // Instruction and right boxes differ for this reason.
            fields.retain(|(field, ..)| !["gold", "asked"].contains(field));
        }
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
    let message = |(field, (place, count)): (&str, (String, usize))| {
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        let advice = match field {
            "box_format" => "evaluate both with one unit of boxes: state `box_format` in both recipes",
            "scoring" | "parser" => "evaluate both again with one version of Stepwise",
            "asked" => "the two models were asked different questions: evaluate both on the same cases and images",
            _ => "compare outcomes of the same cases under the same suite",
        };
        format!("{place}{more} -> {advice}")
    };
    Err(CompareError::Disagree(problems.into_iter().map(message).collect()))
}

/// Version of the rule that decided among scored options; None where no options were scored.
fn scoring(outcome: &Outcome) -> Option<&str> {
    match outcome.scoring.as_str() {
        _ if outcome.scores.is_empty() => None,
        // Outcomes of the first version do not name it.
        "" => Some("options/1"),
        version => Some(version),
    }
}

/// Version of the parser of generated text; None where no text was parsed.
fn parser(outcome: &Outcome) -> Option<&str> {
    Some(outcome.parser.as_str()).filter(|version| !version.is_empty())
}
