//! Accuracy under every condition, and its difference from the accuracy under the condition's control.

use super::metric::{Better, Metric, paired};
use super::outcome_table::OutcomeTable;
use crate::perturb::Purpose;

/// Returns `accuracy:ID` and `accuracy:ID:stage_N` of every condition, and `effect:ID` of every condition with
/// a control.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (c, condition) in table.conditions() {
        let id = &condition.id;
        metrics.push(Metric::mean(
            format!("accuracy:{id}"),
            format!("accuracy, {id}"),
            better(condition.purpose),
            table.sums(|row| Some([row.right(c)?, 1.0])),
        ));
        for stage in 1..=4 {
            metrics.push(Metric::mean(
                format!("accuracy:{id}:stage_{stage}"),
                format!("accuracy, {id}, stage {stage}"),
                better(condition.purpose),
                table.sums(|row| (row.stage == stage).then_some([row.right(c)?, 1.0])),
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
