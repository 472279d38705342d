//! Chart of the number of training examples of each stage per step.

use std::fmt::Write;

use super::bins::{Bin, bins};
use super::input::PlanInput;
use crate::plot::steps;
use crate::section::ReportSection;
use crate::stage_curve::NAMES;

/// Renders the section `stages`: a chart of the number of training examples per step, stacked by clinical stage. With
/// more than 110 steps, a bar is the mean of several.
pub fn section(input: &PlanInput<'_>) -> ReportSection {
    let bins = bins(input);
    let share = |bin: &Bin<'_>, count: usize| count as f64 / (bin.end - bin.start) as f64;
    let most = bins.iter().map(|bin| share(bin, bin.examples.len())).fold(1.0, f64::max);
    let ticks: Vec<(f64, String)> = steps(0.0, most, 5.0).into_iter().map(|value| (value, value.to_string())).collect();
    let plot = input.plot(270.0, [0.0, ticks[ticks.len() - 1].0]);
    let mut bars = String::new();
    for bin in &bins {
        let mut below = 0.0;
        for stage in 1..=4u8 {
            let count = bin.examples.iter().filter(|example| example.stage == stage).count();
            let above = below + share(bin, count);
            if count > 0 {
                let (left, right) = (plot.x(bin.start as f64), plot.x(bin.end as f64));
                let (top, bottom) = (plot.y(above), plot.y(below));
                let _ = write!(
                    bars,
                    "<rect class=\"bar c{}\" x=\"{left:.2}\" y=\"{top:.2}\" width=\"{:.2}\" height=\"{:.2}\"/>",
                    stage - 1,
                    right - left,
                    bottom - top
                );
            }
            below = above;
        }
    }
    let axes = input.axes(&plot, &ticks, "training examples per step");
    let legend: String = NAMES
        .iter()
        .enumerate()
        .map(|(place, name)| format!("<span><i class=\"swatch bar-c{place}\"></i>{name}</span>"))
        .collect();
    ReportSection {
        id: "stages",
        title: "Stages by step",
        intro: "Training examples per step, stacked by stage from stage 1 upwards. With many steps, each bar is the mean of \
                several steps."
            .into(),
        body: format!(
            "{}<p class=\"legend\">{legend}</p>",
            plot.svg("Training examples of each stage over the steps", &format!("{bars}{axes}"))
        ),
        tables: Vec::new(),
        half: true,
    }
}
