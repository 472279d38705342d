//! Stage curves of all models, one panel for each.

use std::fmt::Write;

use stepwise_benchmark::model_table::{ColumnValue, ModelTable};

use crate::markup::{breakable, difference, escape};
use crate::plot::{Plot, TUNED};
use crate::section::ReportSection;
use crate::series::{self, Series};
use crate::stage_curve::NAMES;

/// Renders the section `stages`: chance-corrected accuracy by clinical stage, one panel for each model with the other
/// models behind it. `None` where no model has a value at any stage.
pub fn section(table: &ModelTable) -> Option<ReportSection> {
    let curves: Vec<Series> = (0..table.models.len()).map(|place| curve(table, place)).collect();
    if series::is_empty(&curves) {
        return None;
    }
    let y_ticks = series::ticks(&curves, [0.0, 0.2]);
    let x_ticks: Vec<_> = NAMES.iter().zip(1..).map(|(name, stage)| (f64::from(stage), (*name).to_owned())).collect();
    let plot = Plot::new(270.0, [0.6, 4.4], [y_ticks[0].0, y_ticks[y_ticks.len() - 1].0]);
    let axes = plot.axes(&y_ticks, &x_ticks, "clinical stage", "above chance, %");
    let mut panels = String::new();
    for (place, own) in curves.iter().enumerate() {
        let mut svg = axes.clone();
        for (_, other) in curves.iter().enumerate().filter(|(other, _)| *other != place) {
            let points: Vec<(f64, f64)> =
                other.points.iter().filter_map(|(stage, _, estimate)| Some((*stage, estimate.value?))).collect();
            svg.push_str(&plot.line("others", &points, 0.0));
        }
        svg.push_str(&series::draw(&plot, std::slice::from_ref(own)));
        let words = format!("Accuracy by clinical stage of {}; the numbers are in the table above", escape(&own.name));
        let _ = write!(
            panels,
            "<div><h3 class=\"panel\">{}</h3><p class=\"about\">slope {}</p>{}</div>",
            breakable(&own.name),
            difference(value(table, "stage_slope", place).map(|value| value.estimate)),
            plot.svg(&words, &svg)
        );
    }
    Some(ReportSection {
        id: "stages",
        title: "Accuracy by clinical stage",
        intro: "Clean accuracy corrected for chance: 0 is a random pick, 100 is always right. Each panel has one model \
                with its intervals; the grey lines are the other models. The slope is in percentage points a stage, over \
                the cases whose chain has all four stages."
            .into(),
        body: format!("<div class=\"panels\">{panels}</div>"),
        tables: Vec::new(),
        half: false,
    })
}

fn curve(table: &ModelTable, place: usize) -> Series {
    let point = |(name, stage): (&&str, u8)| {
        let found = value(table, &format!("chance_corrected:stage_{stage}"), place)?;
        found.estimate.value?;
        Some((f64::from(stage), (*name).to_owned(), found.estimate))
    };
    Series {
        style: TUNED,
        name: table.models[place].name.clone(),
        points: NAMES.iter().zip(1u8..).filter_map(point).collect(),
    }
}

fn value<'a>(table: &'a ModelTable, id: &str, place: usize) -> Option<&'a ColumnValue> {
    table.column(id)?.values.get(place)
}
