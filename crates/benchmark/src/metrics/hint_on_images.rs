//! Guessing from the prompt: effect of a right hint where the image shows nothing of the right answer.

use super::metric::{Better, Metric, paired};
use super::outcome_table::OutcomeTable;

/// Returns `hint_reliance_KIND` for every right hint (`hint_plus`) that is combined with images of the kind `KIND` and
/// whose control is a neutral hint with the same images: accuracy with the right hint less accuracy with the neutral one,
/// against the stored answer. With blank or missing images it is guessing from the prompt; with the images of another
/// patient whose answer differs (`swap_near`) it is the share of answers that the hint turns against the image. 1 is a
/// model that follows every hint, 0 a model that ignores hints.
///
/// The id of the first such hint of a kind carries no suffix; the others end in the id of their condition. A metric
/// without items that were evaluated under both hints is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let mut named: Vec<&str> = Vec::new();
    let mut metrics = Vec::new();
    for (plus, condition) in table.conditions().filter(|(_, condition)| condition.kind == "hint_plus") {
        let Some(on) = condition.on else { continue };
        let Some((zero, _)) =
            table.control(condition).filter(|(_, other)| other.kind == "hint_zero" && other.on == Some(on))
        else {
            continue;
        };
        let is_first = !named.contains(&on);
        named.push(on);
        // A(hint+ on the images) - A(hint0 on the images)
        metrics.push(Metric::mean_difference(
            OutcomeTable::name(&format!("hint_reliance_{on}"), condition, is_first),
            format!("hint reliance with the images of {on} (right hint less neutral hint: guessing from the prompt)"),
            Better::Lower,
            paired(table, plus, zero),
        ));
    }
    metrics
}
