//! Heat map of conditions: accuracy of every model under every condition, tinted by the effect of the condition.

use stepwise_benchmark::model_table::{ConditionValue, ModelTable};

use crate::heat::{HeatCell, matrix};
use crate::markup::{breakable, escape};
use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Renders the section `conditions`: accuracy of all models under all conditions that every model answered. Never
/// `None`.
pub fn section(table: &ModelTable) -> Option<ReportSection> {
    let ids: Vec<&str> = table.models.first()?.conditions.iter().map(|condition| condition.id.as_str()).collect();
    let rows = ids.iter().enumerate().map(|(row, id)| {
        let cells = table.models.iter().map(|model| cell(model.conditions.get(row)));
        (breakable(id), cells.collect())
    });
    let names: Vec<&str> = table.models.iter().map(|model| model.name.as_str()).collect();
    let body = matrix("accuracy of every model under every condition", "condition", &names, rows);
    let heads = table.models.iter().zip(1..).map(|(model, number)| (format!("model_{number}"), escape(&model.name)));
    let numbers = ids.iter().enumerate().map(|(row, id)| {
        let cells =
            table.models.iter().map(|model| Cell::Share(model.conditions.get(row).map(|condition| condition.accuracy)));
        std::iter::once(Cell::text(*id)).chain(cells).collect()
    });
    let heads = std::iter::once(("condition".to_owned(), "condition".to_owned())).chain(heads);
    Some(ReportSection {
        id: "conditions",
        title: "Accuracy by condition",
        intro:
            "Accuracy under each condition. The small number below is the effect, in percentage points: accuracy under \
                the condition minus accuracy under its control, on the same items. Blue is a rise, orange a fall."
                .into(),
        body,
        tables: vec![ReportTable::wide(
            "conditions",
            "accuracy by condition, with intervals",
            heads,
            numbers.collect(),
        )],
        half: false,
    })
}

fn cell(condition: Option<&ConditionValue>) -> HeatCell {
    HeatCell {
        value: condition.and_then(|condition| condition.accuracy.value),
        change: condition.and_then(|condition| condition.effect?.value),
        framed: false,
    }
}
