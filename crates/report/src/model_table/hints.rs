//! Hint plane of all models: repair by right hints against capture by wrong hints.

use stepwise_benchmark::model_table::ModelTable;

use crate::hint_plane::{RANGES, ground};
use crate::markup::{escape, spoken};
use crate::plot::{Plot, TUNED};
use crate::point_names::names;
use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Renders the section `hints`: repair against capture, one numbered mark for each model. `None` where no model has
/// values of both.
pub fn section(table: &ModelTable) -> Option<ReportSection> {
    let places: Vec<(usize, f64, f64)> = table
        .models
        .iter()
        .enumerate()
        .filter_map(|(place, model)| Some((place, model.capture.value?, model.repair.value?)))
        .collect();
    if places.is_empty() {
        return None;
    }
    let plot = Plot::new(380.0, RANGES[0], RANGES[1]);
    let mut svg = ground(&plot);
    for &(place, capture, repair) in &places {
        let model = &table.models[place];
        svg.push_str(&format!(
            "<g><title>{} {}: capture {}, repair {}</title>{}</g>",
            place + 1,
            escape(&model.name),
            spoken(model.capture),
            spoken(model.repair),
            plot.mark(TUNED, capture, repair, 0.0)
        ));
    }
    let named: Vec<(f64, f64, String)> =
        places.iter().map(|&(place, capture, repair)| (capture, repair, (place + 1).to_string())).collect();
    svg.push_str(&names(&plot, &named, &[]));
    let list: String = table.models.iter().map(|model| format!("<li>{}</li>", escape(&model.name))).collect();
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
        intro: "The reference is the same sentence without an answer. Repair is the share of the items wrong there that \
                are right with a right hint. Capture is the share of the items right there whose answer follows a wrong \
                hint. On the diagonal a model treats right and wrong hints alike; the upper left corner is best. A mark \
                without a number lies on others; the table has all numbers."
            .into(),
        body: format!(
            "{}<ol class=\"numbered\">{list}</ol>",
            plot.svg("Repair against capture, all models; the numbers are in the table", &svg)
        ),
        tables: vec![ReportTable::new(
            "hint_plane",
            "capture and repair of every model",
            [("model", "model"), ("number", "number"), ("capture", "capture"), ("repair", "repair")],
            rows,
        )],
        half: false,
    })
}
