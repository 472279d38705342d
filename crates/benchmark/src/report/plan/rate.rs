//! The learning rate over the steps.

use super::super::plot::steps;
use super::super::section::Section;
use super::PlanInput;

/// The section.
pub fn section(input: &PlanInput<'_>) -> Section {
    let most = input.steps.iter().map(|step| step.rate).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    // The scale's steps are found for a peak of 1 to 10, since their spacing has a least value.
    let unit = 10f64.powf(most.log10().floor());
    let ticks: Vec<(f64, String)> = steps(0.0, most / unit, 4.0)
        .into_iter()
        .map(|value| {
            let label = format!("{:e}", (value * 10.0).round() / 10.0 * unit);
            (value, if value == 0.0 { "0".to_owned() } else { shorter(&label) })
        })
        .collect();
    let plot = input.plot(270.0, [0.0, ticks[ticks.len() - 1].0]);
    let points: Vec<(f64, f64)> =
        input.steps.iter().enumerate().map(|(step, planned)| (step as f64 + 0.5, planned.rate / unit)).collect();
    let line = plot.line("tuned", &points, 0.0);
    let axes = input.axes(&plot, &ticks, "learning rate");
    Section {
        id: "rate",
        title: "Learning rate",
        intro: "Of the decoder or, where a phase freezes that, of the last part before it that learns.".into(),
        body: plot.svg("Learning rate over the steps", &format!("{axes}{line}")),
        tables: Vec::new(),
        half: true,
    }
}

/// `1.5e-3` of `1.5000000000000002e-3`.
fn shorter(label: &str) -> String {
    let (mantissa, exponent) = label.split_once('e').unwrap_or((label, "0"));
    let mantissa = mantissa.parse::<f64>().unwrap_or_default();
    format!("{}e{}", (mantissa * 10.0).round() / 10.0, exponent.replace('-', "\u{2212}"))
}
