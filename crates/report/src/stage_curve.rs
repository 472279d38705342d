//! Chance-corrected accuracy by clinical stage, and its slope over the stages.

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::summary::Summary;

use super::ReportInput;
use super::markup::{difference, escape};
use super::plot::{BASE, Plot, TUNED};
use super::section::ReportSection;
use super::series::{self, Series};
use super::table::{Cell, ReportTable};

/// Names of the clinical stages 1 to 4, with their numbers, as shown in charts and tables.
pub const NAMES: [&str; 4] = ["1 Orient", "2 Find", "3 Describe", "4 Conclude"];

/// Renders the section `stages`: chance-corrected accuracy by clinical stage of the base and of the epoch that the
/// report is about, and its slope over the stages. `None` where no stage has an item.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let last = input.model();
    let of = |style, name: String, summary| Series {
        style,
        name,
        points: NAMES
            .iter()
            .zip(1u8..)
            .flat_map(|(name, stage)| {
                let stop = (f64::from(stage), (*name).to_owned(), summary);
                Series::of(style, "", &format!("chance_corrected:stage_{stage}"), [stop]).points
            })
            .collect(),
    };
    let mut all = vec![of(BASE, "base".to_owned(), input.base)];
    if input.is_compared() {
        all.push(of(TUNED, input.model_label(), last));
    }
    if series::is_empty(&all) {
        return None;
    }
    let y_ticks = series::ticks(&all, [0.0, 0.2]);
    let x_ticks: Vec<_> = NAMES.iter().zip(1..).map(|(name, stage)| (f64::from(stage), (*name).to_owned())).collect();
    let plot = Plot::new(290.0, [0.6, 4.4], [y_ticks[0].0, y_ticks[y_ticks.len() - 1].0]);
    let svg = plot.axes(&y_ticks, &x_ticks, "clinical stage", "above chance, %") + &series::draw(&plot, &all);
    Some(ReportSection {
        id: "stages",
        title: "Accuracy by clinical stage",
        intro: "Clean accuracy corrected for chance: 0 is a random pick, 100 is always right. The slope belongs to a \
                least-squares line over the cases whose chain has all four stages. Stages differ in their answer forms: the \
                table has the same numbers over choices only."
            .into(),
        body: format!(
            "{}{}{}",
            series::names(&all),
            plot.svg("Chance-corrected accuracy by clinical stage, base and model; the numbers are in the table", &svg),
            slopes(input)
        ),
        tables: vec![table(input)],
        half: true,
    })
}

fn slopes(input: &ReportInput<'_>) -> String {
    let Some(slope) = input.model().estimate("stage_slope").filter(|slope| slope.value.is_some()) else {
        return String::new();
    };
    let entry = |name: &str, value: String| format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
    let of = |summary: &Summary| difference(summary.estimate("stage_slope"));
    let mut entries = entry("Slope of the base", of(input.base));
    if input.is_compared() {
        entries.push_str(&entry(&format!("Slope of {}", escape(&input.model_label())), of(input.model())));
        entries.push_str(&entry("Change", difference(input.model().gain("stage_slope"))));
    }
    format!(
        "<dl class=\"slopes\">{entries}</dl><p class=\"about\">Percentage points per stage, over {} complete chains; below zero, accuracy falls along the stages.</p>",
        slope.n
    )
}

fn table(input: &ReportInput<'_>) -> ReportTable {
    let last = input.model();
    let row = |name: &str, id: &str, cell: fn(Option<stepwise_benchmark::summary::Estimate>) -> Cell| {
        let better = last.metrics.get(id).map_or(Better::Neither, |metric| metric.better);
        [Cell::text(name), cell(input.base.estimate(id)), cell(last.estimate(id)), Cell::Gain(last.gain(id), better)]
    };
    let stages = NAMES
        .iter()
        .zip(1..)
        .map(|(name, stage): (_, u8)| row(name, &format!("chance_corrected:stage_{stage}"), Cell::Share));
    let choices = NAMES.iter().zip(1..).map(|(name, stage): (_, u8)| {
        row(&format!("{name}, choices only"), &format!("chance_corrected:stage_{stage}:choice"), Cell::Share)
    });
    let along = [
        ("slope a stage", "stage_slope"),
        ("fall, stage 1 to 4", "stage_fall"),
        ("slope a stage, choices only", "stage_slope:choice"),
        ("fall, stage 1 to 4, choices only", "stage_fall:choice"),
    ]
    .into_iter()
    .map(|(name, id)| row(name, id, Cell::Points));
    ReportTable::new(
        "stages",
        "chance-corrected accuracy by stage",
        [("stage", "stage"), ("base", "base"), ("now", "model"), ("gain", "gain, percentage points")],
        stages.chain(choices).chain(along),
    )
}
