//! Chart of the learning rate over the steps.

use super::input::PlanInput;
use crate::rate_scale::RateScale;
use crate::section::ReportSection;

/// Renders the section `rate`: a chart of the planned learning rate over the steps.
pub fn section(input: &PlanInput<'_>) -> ReportSection {
    let rates: Vec<f64> = input.steps.iter().map(|step| step.learning_rate).collect();
    let scale = RateScale::new(&rates);
    let plot = input.plot(270.0, [0.0, scale.top()]);
    let points: Vec<(f64, f64)> =
        rates.iter().enumerate().map(|(step, rate)| (step as f64 + 0.5, rate / scale.unit)).collect();
    let line = plot.line("tuned", &points, 0.0);
    let axes = input.axes(&plot, &scale.ticks, &scale.name);
    ReportSection {
        id: "rate",
        title: "Learning rate",
        intro: "Learning rate of the decoder or, where it is frozen, of the last trainable part before it.".into(),
        body: plot.svg("Learning rate over the steps", &format!("{axes}{line}")),
        tables: Vec::new(),
        half: true,
    }
}
