//! Axes over the optimiser steps of a run, with a line at the end of each phase.

use super::plot::Plot;

/// Draws the axes of a plot over all optimiser steps and returns SVG: labels at step 0 and at the end of each phase,
/// where they fit, and a line at the end of each phase but the last. `phases` holds the name of each phase and the
/// number of steps of the run done at its end; `y_ticks` values and labels, and `y_name` the name, of the vertical
/// axis.
pub fn axes(plot: &Plot, phases: &[(String, usize)], y_ticks: &[(f64, String)], y_name: &str) -> String {
    let total = phases.last().map_or(1, |(_, end)| *end);
    let ends = std::iter::once(0).chain(phases.iter().map(|(_, end)| *end));
    let mut x_ticks: Vec<(f64, String)> = Vec::new();
    for end in ends {
        // Labels that would overlap are left out; the last one stays.
        let room = total as f64 / 11.0;
        if end == total {
            x_ticks.retain(|(other, _)| end as f64 - other >= room);
        } else if x_ticks.last().is_some_and(|(other, _)| end as f64 - other < room) {
            continue;
        }
        x_ticks.push((end as f64, end.to_string()));
    }
    let mut svg = plot.axes(y_ticks, &x_ticks, "optimiser steps; a line ends each phase", y_name);
    if let [(low, _), .., (high, _)] = y_ticks {
        for (_, end) in phases.split_last().map_or(&[][..], |(_, before)| before) {
            svg.push_str(&plot.line("trend", &[(*end as f64, *low), (*end as f64, *high)], 0.0));
        }
    }
    svg
}

/// Writes the name of each phase at the top of its part of the plot, where there is room, and returns SVG. `phases`
/// holds the name of each phase (plain text) and the number of steps of the run done at its end; `top` is a value on
/// the vertical axis.
pub fn phase_names(plot: &Plot, phases: &[(String, usize)], top: f64) -> String {
    let mut begin = 0;
    let mut svg = String::new();
    for (name, end) in phases {
        let (left, right) = (plot.x(begin as f64), plot.x(*end as f64));
        if right - left > name.chars().count() as f64 * 7.2 + 6.0 {
            svg.push_str(&format!(
                "<text class=\"corner\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                f64::midpoint(left, right),
                plot.y(top) + 11.0,
                super::markup::escape(name)
            ));
        }
        begin = *end;
    }
    svg
}
