//! Accuracy of whole chains, and the stage of the first error. Only cases with all four stages count. A stage is right
//! if all of its items are.

use super::ancestors::ancestors;
use super::metric::{Better, Metric};
use super::outcome_table::{ClusterSums, ItemRow, OutcomeTable, one_if};
use crate::stats::Sampling;

/// Returns the chain metrics, as shares of the cases that have items of all four stages and were evaluated clean on all
/// items. A stage is right if all of its items are.
///
/// - `chain_prefix:stage_N`: stages 1 to `N` are right;
/// - `chain_accuracy`: all four stages are right;
/// - `chain_conditional:stage_N`, for stages 2 to 4: stage `N` is right, among the cases whose earlier stages are all
///   right;
/// - `first_error:stage_N`: stage `N` is the first one that is not right;
/// - `first_error:none`: no stage has an error.
///
/// Besides, `ancestor_chain_accuracy` is a share of items: the items of stage 4 that are right together with all items
/// that they build on, directly or through other items (their ancestors). Items that build on no other item, or on one
/// that was not evaluated clean, are left out. A case of 20 items is rarely right as a whole; the ancestors of one
/// conclusion are a chain of a few items. Its interval varies patients only, as that of whole chains does, because a
/// chain combines several questions.
///
/// A metric without such cases is not defined; where groups are questions instead of patients, no case counts.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let first_error = |rows: &[ItemRow<'_>]| first_error(rows, clean);
    // P_s: stages 1 to s all right
    let mut metrics: Vec<Metric> = (1..=4usize)
        .map(|stage| {
            Metric::mean(
                format!("chain_prefix:stage_{stage}"),
                format!("chains right through stage {stage}"),
                Better::Higher,
                table.case_sums(|rows| {
                    let held = first_error(rows)?.is_none_or(|broken| broken > stage);
                    Some([f64::from(u8::from(held)), 1.0])
                }),
            )
        })
        .collect();
    // CAcc = P_4
    metrics.push(Metric::mean(
        "chain_accuracy",
        "chain accuracy (all four stages right)",
        Better::Higher,
        table.case_sums(|rows| Some([f64::from(u8::from(first_error(rows)?.is_none())), 1.0])),
    ));
    // mean over the items of stage 4 of the product of y(0) over the item and its ancestors
    let sums = table.sums_within(|row, of_case| {
        let ancestors = ancestors(row, of_case).filter(|found| row.stage == 4 && !found.is_empty())?;
        let is_right = |row: &&ItemRow<'_>| row.clean().is_some_and(|outcome| outcome.is_right());
        Some([one_if(is_right(&row) && ancestors.iter().all(is_right)), 1.0])
    });
    metrics.push(Metric::mean(
        "ancestor_chain_accuracy",
        "ancestor chain accuracy (an item of stage 4 right, with all items that it builds on)",
        Better::Higher,
        // A chain combines several questions, as a whole case does.
        ClusterSums { sampling: Sampling::Patients, ..sums },
    ));
    // A(s given stages 1 to s - 1 right)
    metrics.extend((2..=4usize).map(|stage| {
        Metric::mean(
            format!("chain_conditional:stage_{stage}"),
            format!("stage {stage} right, given that all stages before are"),
            Better::Higher,
            table.case_sums(|rows| {
                let broken = first_error(rows)?;
                let reached = broken.is_none_or(|broken| broken >= stage);
                reached.then(|| [f64::from(u8::from(broken != Some(stage))), 1.0])
            }),
        )
    }));
    metrics.extend([Some(1), Some(2), Some(3), Some(4), None].map(|place| {
        let (id, label) = match place {
            Some(stage) => (format!("first_error:stage_{stage}"), format!("first error in stage {stage}")),
            None => ("first_error:none".to_owned(), "no error".to_owned()),
        };
        let better = if place.is_none() { Better::Higher } else { Better::Neither };
        let sums = table.case_sums(|rows| Some([f64::from(u8::from(first_error(rows)? == place)), 1.0]));
        Metric::mean(id, label, better, sums)
    }));
    metrics
}

/// First stage with a wrong item; inner None where there is no error, outer None where a stage is missing or unknown,
/// or an item was not evaluated.
fn first_error(rows: &[ItemRow<'_>], clean: usize) -> Option<Option<usize>> {
    let mut asked = [false; 4];
    let mut broken: Option<usize> = None;
    for row in rows {
        let stage = usize::from(row.stage);
        *asked.get_mut(stage.checked_sub(1)?)? = true;
        if row.right(clean)? == 0.0 {
            broken = Some(broken.map_or(stage, |first| first.min(stage)));
        }
    }
    asked.iter().all(|asked| *asked).then_some(broken)
}
