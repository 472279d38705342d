//! Hint plane of all models: repair by right hints against capture by wrong hints.

use stepwise_benchmark::model_table::ModelTable;

use crate::hint_plane::{MEANING, PLANE};
use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Renders the section `hints`: repair against capture, one numbered mark for each model. `None` where no model has
/// values of both.
pub fn section(table: &ModelTable) -> Option<ReportSection> {
    let body = PLANE.of_models(table, |place, id| {
        let model = &table.models[place];
        Some(if id == PLANE.x.id { model.capture } else { model.repair })
    })?;
    let rows = table.models.iter().enumerate().map(|(place, model)| {
        [
            Cell::text(model.name.as_str()),
            Cell::Count(place + 1),
            Cell::Share(Some(model.capture)),
            Cell::Share(Some(model.repair)),
        ]
    });
    Some(ReportSection {
        id: "hints",
        title: "Right and wrong hints",
        intro: format!(
            "{MEANING} On the diagonal a model treats right and wrong hints alike; the upper left corner is best. A mark without a \
             number lies on others; the table has all numbers."
        ),
        body,
        tables: vec![ReportTable::new(
            "hint_plane",
            "capture and repair of every model",
            [("model", "model"), ("number", "number"), ("capture", "capture"), ("repair", "repair")],
            rows,
        )],
        half: false,
    })
}
