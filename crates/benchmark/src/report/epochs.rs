//! Clean and robust accuracy over the epochs.

use super::ReportInput;
use super::markup::{difference, escape, folded_table, share};
use super::plot::{Plot, steps, tick};
use crate::summary::{Estimate, Summary};

const CURVES: [(&str, &str, &str); 2] = [
    ("accuracy:clean", "clean", "clean accuracy"),
    ("robust_accuracy", "tuned", "robust accuracy, mean over the attacks"),
];

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    let stops: Vec<(String, &Summary)> = std::iter::once(("base".to_owned(), input.base))
        .chain(input.epochs.iter().map(|epoch| (epoch.label.to_owned(), epoch.summary)))
        .collect();
    let series = |id: &str| -> Vec<(f64, Estimate)> {
        let found =
            stops.iter().enumerate().filter_map(|(place, (_, summary))| Some((place as f64, summary.estimate(id)?)));
        found.filter(|(_, estimate)| estimate.value.is_some()).collect()
    };
    let all: Vec<Estimate> = CURVES.iter().flat_map(|(id, _, _)| series(id)).map(|(_, estimate)| estimate).collect();
    let ends = all.iter().flat_map(|estimate| estimate.ci.into_iter().flatten().chain(estimate.value));
    let (low, high) = ends.fold((1.0f64, 0.0f64), |(low, high), end| (low.min(end), high.max(end)));
    let ticks = steps(low.min(high), high.max(low), 5.0);
    let right = stops.len() as f64 - 1.0 + 0.35;
    let plot = Plot::new(320.0, [-0.35, right], [ticks[0], ticks[ticks.len() - 1]]);
    let y_ticks: Vec<_> = ticks.iter().map(|value| (*value, tick(*value))).collect();
    // No more labels than fit side by side.
    let every = stops.len().div_ceil(9);
    let x_ticks: Vec<_> = stops
        .iter()
        .enumerate()
        .filter(|(place, _)| place % every == 0)
        .map(|(place, (label, _))| (place as f64, escape(label)))
        .collect();
    let mut svg = plot.axes(&y_ticks, &x_ticks, "epoch", "accuracy, %");
    let mut legend = String::new();
    for ((id, class, name), shift) in CURVES.iter().zip(&[-4.0, 4.0]) {
        let points = series(id);
        let line: Vec<(f64, f64)> =
            points.iter().filter_map(|(place, estimate)| Some((*place, estimate.value?))).collect();
        svg.push_str(&plot.line(class, &line, *shift));
        for (place, estimate) in points {
            svg.extend(estimate.ci.map(|ci| plot.interval(class, place, *shift, ci)));
            svg.extend(estimate.value.map(|value| plot.dot(class, place, value, *shift)));
        }
        legend.push_str(&format!(
            "<span><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><circle class=\"dot {class}\" cx=\"8\" cy=\"8\" r=\"5\"/></svg>{name}</span>"
        ));
    }
    let rows: Vec<Vec<String>> = stops
        .iter()
        .map(|(label, summary)| {
            vec![
                escape(label),
                share(summary.estimate("accuracy:clean")),
                difference(summary.gain("accuracy:clean")),
                share(summary.estimate("robust_accuracy")),
                difference(summary.gain("robust_accuracy")),
            ]
        })
        .collect();
    format!(
        "<section><h2>Over the epochs</h2><p>A gain that is only clean accuracy moves one curve; robustness moves the other. \
         The axis starts where the numbers do.</p><p class=\"legend\">{legend}</p>{}{}</section>",
        plot.svg("Clean and robust accuracy by epoch", &svg),
        folded_table(&["epoch", "clean", "gain, points", "robust", "gain, points"], &rows)
    )
}
