//! Accuracy along the clinical stages, corrected for chance.

use super::ReportInput;
use super::markup::{difference, escape, folded_table, share};
use super::plot::{Plot, legend, steps, tick};
use crate::summary::{Estimate, Summary};

const NAMES: [&str; 4] = ["1 Orient", "2 Find", "3 Describe", "4 Conclude"];

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    let last = input.last();
    let of = |summary: &Summary| [1, 2, 3, 4].map(|stage| summary.estimate(&format!("chance_corrected:stage_{stage}")));
    let (base, tuned) = (of(input.base), of(last));
    let ends = base
        .iter()
        .chain(&tuned)
        .flatten()
        .flat_map(|estimate| estimate.ci.into_iter().flatten().chain(estimate.value));
    let (low, high) = ends.fold((0.0f64, 0.2f64), |(low, high), end| (low.min(end), high.max(end)));
    let ticks = steps(low, high, 5.0);
    let plot = Plot::new(290.0, [0.6, 4.4], [ticks[0], ticks[ticks.len() - 1]]);
    let y_ticks: Vec<_> = ticks.iter().map(|value| (*value, tick(*value))).collect();
    let x_ticks: Vec<_> = NAMES.iter().zip(1..).map(|(name, stage)| (f64::from(stage), (*name).to_owned())).collect();
    let mut svg = plot.axes(&y_ticks, &x_ticks, "clinical stage", "above chance, %");
    svg.push_str(&curve(&plot, "base", &base, -5.0));
    if !input.epochs.is_empty() {
        svg.push_str(&curve(&plot, "tuned", &tuned, 5.0));
    }
    let slope = |summary: &Summary| difference(summary.estimate("stage_slope"));
    let rows: Vec<Vec<String>> = (0..4)
        .map(|place| {
            let id = format!("chance_corrected:stage_{}", place + 1);
            vec![
                NAMES[place].to_owned(),
                share(base[place]),
                share(tuned[place]),
                difference(last.gain(&id)),
                tuned[place].map_or(0, |estimate| estimate.n).to_string(),
            ]
        })
        .collect();
    let slopes = if input.epochs.is_empty() {
        format!("Slope {} points a stage.", slope(input.base))
    } else {
        format!(
            "Slope: base {}, {} {} points a stage; change {}.",
            slope(input.base),
            escape(&input.last_label()),
            slope(last),
            difference(last.gain("stage_slope"))
        )
    };
    format!(
        "<section><h2>Along the stages</h2><p>Clean accuracy above chance: 0 is a random pick, 100 is always right. \
         {slopes} Slopes use complete chains only.</p>{}{}{}</section>",
        legend(&input.last_label()),
        plot.svg("Chance-corrected accuracy by clinical stage, base and last epoch", &svg),
        folded_table(&["stage", "base", "now", "gain, points", "items"], &rows)
    )
}

fn curve(plot: &Plot, class: &str, estimates: &[Option<Estimate>; 4], shift: f64) -> String {
    let found: Vec<(f64, f64, Option<[f64; 2]>)> = estimates
        .iter()
        .zip(1..)
        .filter_map(|(estimate, stage)| {
            let estimate = (*estimate)?;
            Some((f64::from(stage), estimate.value?, estimate.ci))
        })
        .collect();
    let mut svg = plot.line(class, &found.iter().map(|(stage, value, _)| (*stage, *value)).collect::<Vec<_>>(), shift);
    for (stage, value, ci) in found {
        svg.extend(ci.map(|ci| plot.interval(class, stage, shift, ci)));
        svg.push_str(&plot.dot(class, stage, value, shift));
    }
    svg
}
