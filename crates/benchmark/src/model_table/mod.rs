//! Table of several models: values with intervals on the questions that all models answered, and ranks where
//! differences are sure.

mod column;
mod rank;

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::compare::{self, CompareError, Key, key};
use crate::metrics::{self, Better, Crossing, Metric, OutcomeTable};
use crate::outcome::Outcome;
use crate::score::Scoring;
use crate::stats::inference::smallest_p;
use crate::stats::{Cells, FEWEST_CLUSTERS, infer};
use crate::suite::{Suite, SuiteName};
use crate::summary::{Estimate, SentenceSpread};

pub use column::{Column, ColumnValue, Pair, Part};

/// Level of the tests of a table: the largest adjusted p-value of a difference that is sure.
pub const LEVEL: f64 = 0.05;

/// One model of a table, before it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Name shown to people.
    pub name: &'a str,
    /// Outcomes of the model, at most one per question (item under a condition).
    pub outcomes: &'a [Outcome],
}

/// Several models on the questions that all of them answered. No other question enters any number, so a missing answer
/// is never wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelTable {
    /// Suite of the evaluation.
    pub suite: SuiteName,
    /// How choices and yes/no questions were scored.
    pub scoring: Scoring,
    /// Number of questions (items under a condition) that all models answered.
    pub answered_by_all: usize,
    /// Number of different items in these questions.
    pub items: usize,
    /// Number of groups (patients) of these items.
    pub groups: usize,
    /// Number of different questions of these items.
    pub questions: usize,
    /// Share of the items that the patient with the most items holds, 0 to 1.
    pub largest_group: f64,
    /// Ids of the conditions that some model answered and that no number counts, because another model answered none of
    /// their questions; in the order of the suite.
    pub left_out_conditions: Vec<String>,
    /// Models, in the order given.
    pub models: Vec<TableModel>,
    /// Columns, in a fixed order.
    pub columns: Vec<Column>,
}

/// One model of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableModel {
    /// Name shown to people.
    pub name: String,
    /// Number of questions that the model answered.
    pub answers: usize,
    /// Number of these questions that another model did not answer; no number counts them.
    pub left_out: usize,
    /// Share of the items right under the neutral hint whose answer follows the wrong hint, 0 to 1; no value where the
    /// suite has no hints.
    pub capture: Estimate,
    /// Share of the items wrong under the neutral hint that the right hint makes right, 0 to 1; no value where the suite
    /// has no hints.
    pub repair: Estimate,
    /// Accuracy under each condition that all models answered, in the order of the suite.
    pub conditions: Vec<ConditionValue>,
}

/// One model under one condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConditionValue {
    /// Id of the condition.
    pub id: String,
    /// Accuracy, 0 to 1.
    pub accuracy: Estimate,
    /// Accuracy less the accuracy under the condition's control, on the items evaluated under both, -1 to 1; None where
    /// the condition has no control.
    pub effect: Option<Estimate>,
    /// Effect under each sentence of the condition; None where fewer than two sentences were drawn.
    pub sentences: Option<SentenceSpread>,
}

/// Checks that two models were asked the same, so that they may stand in one table: their answers to the questions of
/// both have the same right answers, groups and stages, and one version of the scoring and of the parser decided them.
///
/// # Errors
/// [`CompareError::NothingInCommon`] when they answered no question in common; [`CompareError::Disagree`] when they were
/// asked different questions or scored by different versions.
pub fn asked_the_same(a: &[Outcome], b: &[Outcome]) -> Result<(), CompareError> {
    let known: BTreeSet<Key<'_>> = a.iter().map(key).collect();
    if !b.iter().any(|outcome| known.contains(&key(outcome))) {
        return Err(CompareError::NothingInCommon);
    }
    compare::agree(a, b)
}

impl ModelTable {
    /// Makes the table of `entries` under `suite`. Intervals and tests are over other patients, other questions and,
    /// where sentences are drawn, other sentences. p-values of differences are adjusted by Holm over all pairs of models
    /// in a column.
    ///
    /// # Errors
    /// [`CompareError`] as [`asked_the_same`] for an entry and the first one; [`CompareError::NothingInCommon`] also
    /// without entries, or when no question was answered by all.
    ///
    /// # Panics
    /// When the suite has no clean condition.
    pub fn new(suite: &Suite, entries: &[Entry<'_>]) -> Result<Self, CompareError> {
        let Some((first, others)) = entries.split_first() else { return Err(CompareError::NothingInCommon) };
        others.iter().try_for_each(|entry| asked_the_same(first.outcomes, entry.outcomes))?;
        let common = answered_by_all(entries);
        let answered_by_all = common[0].len();
        if answered_by_all == 0 {
            return Err(CompareError::NothingInCommon);
        }
        let crossing = Crossing::new(common.iter().flatten().copied());
        let cells = crossing.cells();
        let tables: Vec<OutcomeTable<'_>> =
            common.iter().map(|outcomes| OutcomeTable::new(suite, &crossing, outcomes.iter().copied())).collect();
        let metrics: Vec<HashMap<String, Metric>> = tables
            .iter()
            .map(|table| metrics::all(table, &[]).into_iter().map(|metric| (metric.id.clone(), metric)).collect())
            .collect();
        let models = entries.iter().zip(&tables).zip(&metrics);
        Ok(Self {
            suite: suite.into(),
            scoring: suite.scoring,
            answered_by_all,
            items: tables[0].rows.len(),
            groups: cells.patient_count(),
            questions: cells.question_count(),
            largest_group: tables[0].largest_patient(cells),
            left_out_conditions: left_out_conditions(suite, entries, &common[0]),
            models: models
                .map(|((entry, table), metrics)| model(entry, table, metrics, cells, answered_by_all))
                .collect(),
            columns: column::all(suite, &metrics, cells),
        })
    }

    /// Returns the number of pairs of models, over which the p-values of a column are adjusted.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.models.len() * self.models.len().saturating_sub(1) / 2
    }

    /// Returns whether the numbers of groups and of questions allow a sure difference: the smallest possible p-value,
    /// adjusted over all pairs, is below [`LEVEL`].
    #[must_use]
    pub fn can_be_sure(&self) -> bool {
        let clusters = self.groups.min(self.questions);
        clusters >= FEWEST_CLUSTERS && smallest_p(clusters) * (self.pairs() as f64) < LEVEL
    }

    /// Returns the column of the metric with this id; None where there is none.
    #[must_use]
    pub fn column(&self, id: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }
}

/// Returns the outcomes of each entry for the questions that all entries answered, in the order of the entry.
fn answered_by_all<'a>(entries: &[Entry<'a>]) -> Vec<Vec<&'a Outcome>> {
    let mut counts: HashMap<Key<'_>, usize> = HashMap::new();
    for outcome in entries.iter().flat_map(|entry| entry.outcomes) {
        *counts.entry(key(outcome)).or_default() += 1;
    }
    let is_common = |outcome: &&Outcome| counts[&key(outcome)] == entries.len();
    entries.iter().map(|entry| entry.outcomes.iter().filter(is_common).collect()).collect()
}

fn left_out_conditions(suite: &Suite, entries: &[Entry<'_>], common: &[&Outcome]) -> Vec<String> {
    let counted: BTreeSet<&str> = common.iter().map(|outcome| outcome.condition.as_str()).collect();
    let answered: BTreeSet<&str> =
        entries.iter().flat_map(|entry| entry.outcomes).map(|outcome| outcome.condition.as_str()).collect();
    let ids = suite.conditions.iter().map(|condition| &condition.id);
    ids.filter(|id| answered.contains(id.as_str()) && !counted.contains(id.as_str())).cloned().collect()
}

fn model(
    entry: &Entry<'_>,
    table: &OutcomeTable<'_>,
    metrics: &HashMap<String, Metric>,
    cells: &Cells,
    answered_by_all: usize,
) -> TableModel {
    let estimate = |id: &str| metrics.get(id).map(|metric| estimate(metric, cells)).unwrap_or_default();
    let conditions = table.conditions().map(|(c, condition)| ConditionValue {
        id: condition.id.clone(),
        accuracy: estimate(&format!("accuracy:{}", condition.id)),
        effect: Some(estimate(&format!("effect:{}", condition.id))).filter(|effect| effect.value.is_some()),
        sentences: SentenceSpread::of(table, condition, c),
    });
    TableModel {
        name: entry.name.to_owned(),
        answers: entry.outcomes.len(),
        left_out: entry.outcomes.len() - answered_by_all,
        capture: estimate("capture"),
        repair: estimate("repair"),
        conditions: conditions.filter(|condition| condition.accuracy.value.is_some()).collect(),
    }
}

/// Estimate of a metric that is no difference.
fn estimate(metric: &Metric, cells: &Cells) -> Estimate {
    Estimate::of_value(infer(&metric.statistic, cells), metric.n)
}
