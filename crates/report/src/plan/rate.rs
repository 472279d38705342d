//! Chart of the learning rate over the steps.

use super::input::PlanInput;
use crate::plot::steps;
use crate::section::ReportSection;

/// Renders the section `rate`: a chart of the learning rate over the steps.
pub fn section(input: &PlanInput<'_>) -> ReportSection {
    let most = input.steps.iter().map(|step| step.learning_rate).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    // The axis is in units of a power of ten, so that labels are short for every rate.
    let power = most.log10().floor() as i32;
    let unit = 10f64.powi(power);
    let ticks: Vec<(f64, String)> = steps(0.0, most / unit, 4.0)
        .into_iter()
        .map(|value| (value, ((value * 10.0).round() / 10.0).to_string()))
        .collect();
    let plot = input.plot(270.0, [0.0, ticks[ticks.len() - 1].0]);
    let points: Vec<(f64, f64)> = input
        .steps
        .iter()
        .enumerate()
        .map(|(step, planned)| (step as f64 + 0.5, planned.learning_rate / unit))
        .collect();
    let line = plot.line("tuned", &points, 0.0);
    let name = format!("learning rate, 1e{power}").replace('-', "\u{2212}");
    let axes = input.axes(&plot, &ticks, &name);
    ReportSection {
        id: "rate",
        title: "Learning rate",
        intro: "Learning rate of the decoder or, where it is frozen, of the last trainable part before it.".into(),
        body: plot.svg("Learning rate over the steps", &format!("{axes}{line}")),
        tables: Vec::new(),
        half: true,
    }
}
