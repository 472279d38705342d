//! Lines through estimates with their intervals, for charts with an ordered horizontal axis.

use stepwise_benchmark::summary::{Estimate, Summary};

use super::markup::{escape, spoken};
use super::plot::{Plot, PlotStyle, legend, steps, tick};

/// One line of a chart through estimates with their intervals.
pub struct Series {
    /// Style of the line and its marks.
    pub style: PlotStyle,
    /// Name in the legend, as plain text.
    pub name: String,
    /// Points: position on the horizontal axis, name of the position for the tooltip, and estimate.
    pub points: Vec<(f64, String, Estimate)>,
}

impl Series {
    /// Collects the estimates of the metric `id` over summaries as one line of this `style` and `name` (plain text).
    /// `stops` holds position on the axis, name of the position and summary. Summaries without the metric or a value
    /// are left out, so the line connects their neighbours.
    pub fn of<'a>(
        style: PlotStyle,
        name: impl Into<String>,
        id: &str,
        stops: impl IntoIterator<Item = (f64, String, &'a Summary)>,
    ) -> Self {
        let found = stops.into_iter().filter_map(|(place, words, summary)| {
            let estimate = summary.estimate(id).filter(|estimate| estimate.value.is_some())?;
            Some((place, words, estimate))
        });
        Self { style, name: name.into(), points: found.collect() }
    }
}

/// Returns whether no line of `all` has a point; true without lines.
pub fn is_empty(all: &[Series]) -> bool {
    all.iter().all(|series| series.points.is_empty())
}

/// Empty range for [`ticks`], so that the axis covers the values and intervals of the lines and nothing else.
pub const NOTHING: [f64; 2] = [1.0, 0.0];

/// Returns ticks of a vertical axis, value and label in percent, that cover all values and intervals of the lines, the
/// shares `[low, high]`, and a range of at least 0.1.
pub fn ticks(all: &[Series], [low, high]: [f64; 2]) -> Vec<(f64, String)> {
    let estimates = all.iter().flat_map(|series| &series.points).map(|(_, _, estimate)| estimate);
    let ends = estimates.flat_map(|estimate| estimate.ci.into_iter().flatten().chain(estimate.value));
    let (low, high) = ends.fold((low, high), |(low, high), end| (low.min(end), high.max(end)));
    let missing = (0.1 - (high - low)).max(0.0) / 2.0;
    steps(low - missing, high + missing, 5.0).into_iter().map(|value| (value, tick(value))).collect()
}

/// Draws all lines with their intervals on `plot` and returns SVG. Lines are shifted sideways so that they do not hide
/// each other; every point has its numbers as a tooltip. Lines without points are left out.
pub fn draw(plot: &Plot, all: &[Series]) -> String {
    drawn(plot, all, 8.0)
}

/// Draws all lines as [`draw`] does, but without a sideways shift, for axes with many positions. Returns SVG.
pub fn draw_together(plot: &Plot, all: &[Series]) -> String {
    drawn(plot, all, 0.0)
}

fn drawn(plot: &Plot, all: &[Series], apart: f64) -> String {
    let mut svg = String::new();
    let kept: Vec<&Series> = all.iter().filter(|series| !series.points.is_empty()).collect();
    let middle = (kept.len() as f64 - 1.0) / 2.0;
    for (number, Series { style, name, points }) in kept.into_iter().enumerate() {
        let shift = (number as f64 - middle) * apart;
        let line: Vec<(f64, f64)> =
            points.iter().filter_map(|(place, _, estimate)| Some((*place, estimate.value?))).collect();
        svg.push_str(&plot.line(style.class, &line, shift));
        for (place, words, estimate) in points {
            let interval = estimate.ci.map_or_else(String::new, |ci| plot.interval(style.class, *place, shift, ci));
            let mark = estimate.value.map_or_else(String::new, |value| plot.mark(*style, *place, value, shift));
            svg.push_str(&format!(
                "<g><title>{}, {}: {}</title>{interval}{mark}</g>",
                escape(name),
                escape(words),
                spoken(*estimate)
            ));
        }
    }
    svg
}

/// Renders the legend of the lines that have points, as markup.
pub fn names(all: &[Series]) -> String {
    let drawn = all.iter().filter(|series| !series.points.is_empty());
    legend(&drawn.map(|series| (series.style, escape(&series.name))).collect::<Vec<_>>())
}
