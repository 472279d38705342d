//! Text metrics: how much of a right answer was given, on clean questions. Exact match alone scores wording, and recall
//! alone rewards long answers, so both are shown.

use super::metric::{Better, Metric};
use super::outcome_table::{OutcomeTable, one_if};
use crate::score::closeness::Measure;

/// Score computed from the fields `exact`, `alias`, `recall` and `f1` of a text measure.
type Score = fn(bool, bool, f64, f64) -> f64;

/// Metric id, label and score.
const SCORES: [(&str, &str, Score); 4] = [
    ("text:exact", "texts, exact match", |exact, _, _, _| one_if(exact)),
    ("text:alias", "texts, exact match with an alias", |_, alias, _, _| one_if(alias)),
    ("text:token_recall", "texts, recall of words", |_, _, recall, _| recall),
    ("text:token_f1", "texts, F1 of words", |_, _, _, f1| f1),
];

/// Returns the text metrics, as means over the items with a text answer that were evaluated clean:
///
/// - `text:exact`: share of answers equal to a right text after normalisation;
/// - `text:alias`: share of answers equal to a right text or an alias;
/// - `text:token_recall`: share of the words of the right text that the answer contains;
/// - `text:token_f1`: harmonic mean of precision and recall over words (Rajpurkar et al., 2016).
///
/// Without such items the metrics are not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let of = |(id, label, score): (&str, &str, Score)| {
        let sums = table.sums(|row| match row.clean()?.measure.as_ref()? {
            Measure::Text { exact, alias, recall, f1 } => Some([score(*exact, *alias, *recall, *f1), 1.0]),
            Measure::Boxes { .. } | Measure::Number { .. } => None,
        });
        Metric::mean(id, label, Better::Higher, sums)
    };
    SCORES.into_iter().map(of).collect()
}
