//! Majority baseline: the commonest right answer of each question, which a model can give without looking at the image.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::metric::{Better, Metric};
use super::outcome_table::{ClusterSums, ItemRow, OutcomeTable, one_if};
use crate::stats::Sampling;

/// A question without information: all cases have the same right answer, so a model that gives it needs no image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneAnswerQuestion {
    /// Text of the question; the id of the item where the text is unknown.
    pub question: String,
    /// The right answer of all items.
    pub gold: String,
    /// Number of items that ask the question; at least 2.
    pub items: usize,
}

/// Right answers of each question, with their numbers of items. Only items that were evaluated clean count.
struct Golds<'a> {
    by_question: BTreeMap<&'a str, BTreeMap<&'a str, usize>>,
}

impl<'a> Golds<'a> {
    fn new(table: &OutcomeTable<'a>) -> Self {
        let mut by_question: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for row in &table.rows {
            if let Some(clean) = row.clean() {
                *by_question.entry(row.question_key()).or_default().entry(&clean.gold).or_default() += 1;
            }
        }
        Self { by_question }
    }

    /// Accuracy on the item's question of always giving its commonest right answer, at least `row.chance`. A question
    /// of a single item has no commonest answer and gives `row.chance`. None where the item was not evaluated clean.
    fn baseline(&self, row: &ItemRow<'_>) -> Option<f64> {
        let golds = self.by_question.get(row.question_key()).filter(|_| row.clean().is_some())?;
        let (most, items) = (golds.values().max().copied()?, golds.values().sum::<usize>());
        Some(if items < 2 { row.chance } else { row.chance.max(most as f64 / items as f64) })
    }

    /// Questions of two or more items that all have one right answer.
    fn one_answer(&self) -> impl Iterator<Item = (&'a str, &'a str, usize)> {
        self.by_question.iter().filter_map(|(question, golds)| {
            let (gold, items) = golds.first_key_value()?;
            (golds.len() == 1 && *items > 1).then_some((*question, *gold, *items))
        })
    }
}

/// Returns the questions whose items, two or more, all have one right answer, in alphabetical order.
#[must_use]
pub fn one_answer_questions(table: &OutcomeTable<'_>) -> Vec<OneAnswerQuestion> {
    let named = |(question, gold, items): (&str, &str, usize)| OneAnswerQuestion {
        question: question.to_owned(),
        gold: gold.to_owned(),
        items,
    };
    Golds::new(table).one_answer().map(named).collect()
}

/// Returns the majority baseline of the clean items and the accuracy above it. The baseline `m` of an item is the share
/// of its question's items that have the question's commonest right answer, and at least the chance of a random pick;
/// for a question of one item it is this chance:
///
/// - `majority_accuracy`: mean of `m`, the accuracy of a model that gives the commonest answer to each question;
/// - `majority_corrected`, and `majority_corrected:stage_N` for stages 1 to 4: `(A - M) / (1 - M)` with the accuracy
///   `A` and the mean `M` of `m`, the skill score over this baseline (Murphy, 1988). 0 is a model that knows the
///   commonest answers, 1 one that is always right;
/// - `one_answer_share`: share of items whose question has two or more items, all with one right answer.
///
/// The commonest answer is that of the evaluated items themselves, so `m` is too high where a question has few items. The
/// first and the last describe the questions and not the model, so they have no interval. The intervals of the others
/// treat `m` as known. A metric without items, or where `M` is 1, is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let golds = Golds::new(table);
    let clean = table.clean();
    let one_answer: BTreeSet<&str> = golds.one_answer().map(|(question, ..)| question).collect();
    let corrected = |id: String, label: String, counts: &dyn Fn(&ItemRow<'_>) -> bool| {
        let sums = table.sums(|row| {
            let sums = [row.right(clean)?, golds.baseline(row)?, 1.0];
            counts(row).then_some(sums)
        });
        Metric::above_baseline(id, label, sums)
    };
    let mut metrics = vec![
        Metric::mean(
            "majority_accuracy",
            "accuracy of the commonest right answer of each question",
            Better::Neither,
            of_questions(table.sums(|row| Some([golds.baseline(row)?, 1.0]))),
        ),
        Metric::mean(
            "one_answer_share",
            "items whose question has one right answer in all cases",
            Better::Neither,
            of_questions(table.sums(|row| row.clean().map(|_| [one_if(one_answer.contains(row.question_key())), 1.0]))),
        ),
        corrected(
            "majority_corrected".to_owned(),
            "accuracy above the commonest answer of each question".to_owned(),
            &|_| true,
        ),
    ];
    metrics.extend((1..=4u8).map(|stage| {
        let label = format!("stage {stage}, above the commonest answer of each question");
        corrected(format!("majority_corrected:stage_{stage}"), label, &|row| row.stage == stage)
    }));
    metrics
}

/// Sums of a metric that describes the questions and has no interval.
fn of_questions(sums: ClusterSums<2>) -> ClusterSums<2> {
    ClusterSums { sampling: Sampling::Unknown, ..sums }
}
