//! Effect of earlier answers given as context: right answers, the model's own answers, and wrong answers.

use super::metric::{Better, Metric, paired};
use super::outcome_table::{ClusterSums, OutcomeTable};
use crate::suite::Condition;

/// Returns the effect of earlier answers given as context, as accuracy lost or gained on the items evaluated under both
/// conditions of a comparison:
///
/// - `error_propagation`: accuracy with the right earlier answers less accuracy with the model's own ones;
/// - `poisoning`: accuracy with the right earlier answers less accuracy with one of them wrong;
/// - `stage_replacement:stage_N`: accuracy in stage 4 with the model's own answers, those of stage `N` replaced by the
///   right ones, less accuracy with all of its own answers; several stages are joined, as in `stage_1_2`.
///
/// The first two exist over stages 2 to 4 and, with the suffix `:stage_N`, for each of these stages. They need
/// conditions whose control is of the kind `parents_gold`; the third needs a control of the kind `parents_predicted`.
/// Other conditions are left out. A metric without such items is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let against_gold = |condition: &Condition| {
        table.control(condition).filter(|(_, control)| control.kind == "parents_gold").map(|(c, _)| c)
    };
    let own: Vec<_> = predicted(table, |condition| !replaces(condition))
        .filter_map(|(c, condition)| Some((c, condition, against_gold(condition)?)))
        .collect();
    for (place, &(c, condition, gold)) in own.iter().enumerate() {
        // EP_s = A_s(gold parents) - A_s(predicted parents)
        metrics.extend(by_stage(
            table,
            gold,
            c,
            &OutcomeTable::name("error_propagation", condition, place == 0),
            |stage| {
                format!(
                    "error propagation, stage {stage} (loss with its own earlier answers instead of the right ones)"
                )
            },
        ));
    }
    for (c, condition, first) in table.variants("parents_wrong") {
        let Some(gold) = against_gold(condition) else { continue };
        // PO_s = A_s(gold parents) - A_s(one parent wrong)
        metrics.extend(by_stage(table, gold, c, &OutcomeTable::name("poisoning", condition, first), |stage| {
            format!("poisoning, stage {stage} (loss with one wrong earlier answer)")
        }));
    }
    for (c, condition) in predicted(table, replaces) {
        let Some((own, _)) = table.control(condition).filter(|(_, control)| control.kind == "parents_predicted") else {
            continue;
        };
        // A_4(own answers, those of stage s right) - A_4(own answers)
        let stages = stages(condition).collect::<Vec<_>>().join("_");
        metrics.push(Metric::mean_difference(
            format!("stage_replacement:stage_{stages}"),
            format!("gain in stage 4 when the right answers of stage {stages} replace the model's own"),
            Better::Neither,
            only_stage(table, 4, c, own),
        ));
    }
    metrics
}

fn predicted<'a>(
    table: &OutcomeTable<'a>,
    keep: impl Fn(&Condition) -> bool,
) -> impl Iterator<Item = (usize, &'a Condition)> {
    table.conditions().filter(move |(_, condition)| condition.kind == "parents_predicted" && keep(condition))
}

/// Whether right answers replace some of the model's own answers.
fn replaces(condition: &Condition) -> bool {
    stages(condition).next().is_some()
}

/// Clinical stages whose answers are replaced by the right ones.
fn stages(condition: &Condition) -> impl Iterator<Item = String> {
    let stages = condition.parameters.get("gold_stages").and_then(toml::Value::as_array);
    stages.into_iter().flatten().filter_map(toml::Value::as_integer).map(|stage| stage.to_string())
}

/// Accuracy under `c` less accuracy under `reference`, on one stage.
fn only_stage(table: &OutcomeTable<'_>, stage: u8, c: usize, reference: usize) -> ClusterSums<2> {
    table.sums(|row| (row.stage == stage).then_some([row.right(c)? - row.right(reference)?, 1.0]))
}

/// Accuracy under `c` less accuracy under `reference`: over stages 2 to 4 together, and for each of them.
fn by_stage(
    table: &OutcomeTable<'_>,
    c: usize,
    reference: usize,
    id: &str,
    label: impl Fn(&str) -> String,
) -> Vec<Metric> {
    let all = Metric::mean_difference(id, label("2 to 4"), Better::Lower, paired(table, c, reference));
    let each = (2..=4u8).map(|stage| {
        let sums = only_stage(table, stage, c, reference);
        Metric::mean_difference(format!("{id}:stage_{stage}"), label(&stage.to_string()), Better::Lower, sums)
    });
    [all].into_iter().chain(each).collect()
}
