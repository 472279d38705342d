//! Right for the wrong reason: a right conclusion although an answer that it builds on was wrong.

use super::ancestors::ancestors;
use super::metric::{Better, Metric};
use super::outcome_table::{OutcomeTable, one_if};

/// Returns `right_for_the_wrong_reason`: among the items of stage 4 that are right clean, the share for which an item
/// that they build on, directly or indirectly, is wrong. Items that build on no other item, or on an item that was not
/// evaluated clean, are left out; without items the metric is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    // RWR = P(some ancestor wrong given the item of stage 4 right)
    let sums = table.sums_within(|row, of_case| {
        if row.stage != 4 || row.right(clean)? == 0.0 {
            return None;
        }
        let ancestors = ancestors(row, of_case)?;
        let worst = ancestors
            .iter()
            .map(|ancestor| ancestor.right(clean))
            .try_fold(1.0, |worst, right| right.map(|right| f64::min(worst, right)))?;
        (!ancestors.is_empty()).then_some([one_if(worst == 0.0), 1.0])
    });
    let label = "right for the wrong reason (stage 4 right, an answer it builds on wrong)";
    vec![Metric::mean("right_for_the_wrong_reason", label, Better::Lower, sums)]
}
