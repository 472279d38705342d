//! Chart of the cases trained on at each step.

use std::fmt::Write;

use super::input::PlanInput;
use crate::plot::steps;
use crate::section::ReportSection;

/// Maximum number of marks in the chart.
const MOST: usize = 6000;

/// Renders the section `cases`: a chart of the cases that each step trains on, in the colour of the stage. With more
/// than 6000 marks, only the cases whose index is a multiple of a fixed number are drawn, and the introduction says so.
pub fn section(input: &PlanInput<'_>) -> ReportSection {
    let mut visits: Vec<(usize, usize, u8)> = Vec::new();
    for (step, planned) in input.steps.iter().enumerate() {
        visits.extend(planned.examples.iter().map(|example| (step, example.case, example.stage)));
    }
    visits.dedup();
    let every = visits.len().div_ceil(MOST).max(1);
    let ticks: Vec<(f64, String)> =
        steps(0.0, input.cases as f64, 5.0).into_iter().map(|value| (value, value.to_string())).collect();
    let plot = input.plot(270.0, [0.0, ticks[ticks.len() - 1].0]);
    let mut marks = String::new();
    for stage in 1..=4u8 {
        let mut path = String::new();
        // Marks of a case at one step are shifted by stage, so that they do not overlap.
        let shift = f64::from(stage) / 5.0;
        for (step, case, _) in visits.iter().filter(|visit| visit.2 == stage && visit.1.is_multiple_of(every)) {
            let _ = write!(path, "M{:.1} {:.1}h2", plot.x(*step as f64 + shift), plot.y(*case as f64 + 0.5));
        }
        if !path.is_empty() {
            let _ = write!(marks, "<path class=\"visit c{}\" d=\"{path}\"/>", stage - 1);
        }
    }
    let axes = input.axes(&plot, &ticks, "case");
    let drawn = match every {
        1 => String::new(),
        every => format!(" Only every {every}th case is drawn."),
    };
    ReportSection {
        id: "cases",
        title: "Cases by step",
        intro: format!("A dash marks a case that a step trains on, in the colour of the stage.{drawn}"),
        body: plot.svg("Cases trained on at each step", &format!("{axes}{marks}")),
        tables: Vec::new(),
        half: true,
    }
}
