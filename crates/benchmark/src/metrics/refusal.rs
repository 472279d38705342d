//! Abstention: whether the model declines when the evidence is removed. Only questions with an abstain option count,
//! and only where abstaining is not the right answer.

use super::metric::{Better, Metric};
use super::outcome_table::{ItemRow, OutcomeTable, one_if};
use super::region::asks_places;
use crate::suite::Condition;

/// Returns the abstention metrics, over the questions with an abstain option that is not the right answer:
///
/// - `false_refusal`: share of clean questions that are answered with the abstain option;
/// - `silent_failure:ID` of every condition `blank`, `no_image` or `region_mask`, except masks of answers that the mask
///   itself shows: share of questions that are answered with another option although the evidence is removed; an
///   unparsed response is no answer.
///
/// The two belong together: a model that always declines never fails silently. Without such questions a metric is not
/// defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    // P(refusal given the evidence is there)
    let mut metrics = vec![Metric::mean(
        "false_refusal",
        "false refusal (declines although the evidence is there)",
        Better::Lower,
        table.sums(|row| Some([one_if(declines(row, clean)?), 1.0])),
    )];
    let gone = |condition: &Condition| {
        matches!(condition.kind, "blank" | "no_image" | "region_mask") && !asks_places(condition)
    };
    for (c, condition) in table.conditions().filter(|(_, condition)| gone(condition)) {
        // SF = P(an answer that does not decline, given the evidence is gone); an unparsed response is no answer
        metrics.push(Metric::mean(
            format!("silent_failure:{}", condition.id),
            format!("silent failure, {} (answers although the evidence is gone)", condition.id),
            Better::Lower,
            table.sums(|row| {
                let declines = declines(row, c)?;
                let answers = row.at(c)?.index.is_some();
                Some([one_if(answers && !declines), 1.0])
            }),
        ));
    }
    metrics
}

/// Whether the answer is the abstain option; None where there is no such option.
fn declines(row: &ItemRow<'_>, c: usize) -> Option<bool> {
    let outcome = row.at(c)?;
    let refusal = outcome.refusal?;
    Some(outcome.index == Some(refusal))
}
