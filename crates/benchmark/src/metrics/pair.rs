//! Pair accuracy: a question and its negated counterpart must both be answered rightly.

use super::metric::{Better, Metric};
use super::outcome_table::OutcomeTable;

/// Returns two shares of pairs in which both questions are answered rightly:
///
/// - `pair_accuracy`, over the recorded pairs of a yes/no question and its negation, both evaluated clean, each pair
///   once;
/// - `negation_pair_accuracy`, over the yes/no questions evaluated under a condition `negation` and its control
///   `affirmation`; without this control the metric is missing.
///
/// Answering "yes" to everything is right on half of the questions and on none of the pairs. A metric without such
/// pairs is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    // PA = mean of y(q) y(q') over recorded pairs, each pair once
    let recorded = table.sums_within(|row, of_case| {
        let twin = row.clean()?.pair_of.as_deref()?;
        let other = of_case.iter().find(|other| other.item_id == twin)?;
        let is_mutual = other.clean()?.pair_of.as_deref() == Some(row.item_id);
        let counts = !is_mutual || row.item_id < other.item_id;
        counts.then_some([row.right(clean)? * other.right(clean)?, 1.0])
    });
    let label = "pair accuracy (right on a question and on its negated counterpart)";
    let mut metrics = vec![Metric::mean("pair_accuracy", label, Better::Higher, recorded)];
    for (c, condition, first) in table.variants("negation") {
        let Some((affirmed, _)) = table.control(condition).filter(|(_, control)| control.kind == "affirmation") else {
            continue;
        };
        metrics.push(Metric::mean(
            OutcomeTable::name("negation_pair_accuracy", condition, first),
            "negation pair accuracy (right whether asked about \"yes\" or about \"no\")",
            Better::Higher,
            table.sums_under(c, |row| Some([row.right(c)? * row.right(affirmed)?, 1.0])),
        ));
    }
    metrics
}
