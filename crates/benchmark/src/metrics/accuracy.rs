//! Accuracy under every condition, and its difference from the accuracy under the condition's control.

use super::metric::{Better, Metric, paired};
use super::outcome_table::OutcomeTable;
use crate::perturb::Purpose;

/// Returns the accuracies of all conditions; `ID` is the id of a condition:
///
/// - `accuracy:ID`: share of right answers among the items evaluated under the condition;
/// - `accuracy:ID:stage_N`: the same share among the items of clinical stage `N`, 1 to 4;
/// - `effect:ID`, only for conditions with a control: share of right answers under the condition less the share under
///   its control, on the items evaluated under both.
///
/// A metric without such items is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (c, condition) in table.conditions() {
        let id = &condition.id;
        metrics.push(Metric::mean(
            format!("accuracy:{id}"),
            format!("accuracy, {id}"),
            better(condition.purpose),
            table.sums_under(c, |row| Some([row.right(c)?, 1.0])),
        ));
        for stage in 1..=4 {
            metrics.push(Metric::mean(
                format!("accuracy:{id}:stage_{stage}"),
                format!("accuracy, {id}, stage {stage}"),
                better(condition.purpose),
                table.sums_under(c, |row| (row.stage == stage).then_some([row.right(c)?, 1.0])),
            ));
        }
        if let Some((control, of)) = table.control(condition) {
            metrics.push(Metric::mean_difference(
                format!("effect:{id}"),
                format!("accuracy, {id} less {}", of.id),
                Better::Neither,
                paired(table, c, control),
            ));
        }
    }
    metrics
}

/// Direction of improvement of accuracy. Removals and controls have none, because other metrics interpret
/// their accuracy.
fn better(purpose: Purpose) -> Better {
    match purpose {
        Purpose::Clean | Purpose::Attack | Purpose::Assist => Better::Higher,
        Purpose::EvidenceRemoved | Purpose::Control => Better::Neither,
    }
}
