//! Paired image score of all models against capture by wrong hints.

use stepwise_benchmark::model_table::ModelTable;
use stepwise_benchmark::summary::Estimate;

use crate::section::ReportSection;
use crate::sight_plane::{MEANING, PLANE};
use crate::table::{Cell, ReportTable};

/// Renders the section `sight`: paired image score against capture, one numbered mark for each model. `None` where no
/// model has values of both.
pub fn section(table: &ModelTable) -> Option<ReportSection> {
    let body = PLANE.of_models(table, |place, id| {
        if id == PLANE.x.id { Some(table.models[place].capture) } else { image_score(table, place) }
    })?;
    let rows = table.models.iter().enumerate().map(|(place, model)| {
        [
            Cell::text(model.name.as_str()),
            Cell::Count(place + 1),
            Cell::Share(image_score(table, place)),
            Cell::Share(Some(model.capture)),
        ]
    });
    Some(ReportSection {
        id: "sight",
        title: "Use of the image and wrong hints",
        intro: format!(
            "{MEANING} The upper left corner is best. A mark without a number lies on others; the table has all numbers."
        ),
        body,
        tables: vec![ReportTable::new(
            "sight_plane",
            "paired image score and capture of every model",
            [("model", "model"), ("number", "number"), ("image_score", "paired image score"), ("capture", "capture")],
            rows,
        )],
        half: false,
    })
}

fn image_score(table: &ModelTable, place: usize) -> Option<Estimate> {
    let column = table.columns.iter().find(|column| column.id == PLANE.y.id)?;
    column.values.get(place).map(|value| value.estimate)
}
