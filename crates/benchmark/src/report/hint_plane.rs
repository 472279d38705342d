//! Repair against capture: does a reader take good hints, and does it reject bad ones?

use super::markup::{difference, escape, folded_table, share};
use super::plot::{Plot, tick};
use super::{EpochResult, ReportInput};
use crate::summary::Summary;

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    let place = |summary: &Summary| {
        let value = |id: &str| summary.estimate(id).and_then(|estimate| estimate.value);
        value("capture").zip(value("repair"))
    };
    let plot = Plot::new(340.0, [-0.03, 1.03], [-0.12, 1.12]);
    let ticks: Vec<_> = [0.0, 0.25, 0.5, 0.75, 1.0].map(|value| (value, tick(value))).to_vec();
    let mut svg = plot.axes(&ticks, &ticks, "capture: follows a wrong hint, %", "repair: takes a right hint, %");
    svg.push_str(&plot.line("diagonal", &[(0.0, 0.0), (1.0, 1.0)], 0.0));
    for (x, y, anchor, words) in [
        (0.0, 1.06, "start", "tells good from bad"),
        (1.0, -0.085, "end", "follows bad, ignores good"),
        (1.0, 1.06, "end", "follows blindly"),
        (0.0, -0.085, "start", "ignores hints"),
    ] {
        svg.push_str(&format!(
            "<text class=\"corner\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{words}</text>",
            plot.x(x),
            plot.y(y)
        ));
    }
    let stops: Vec<(f64, f64)> = std::iter::once(place(input.base))
        .chain(input.epochs.iter().map(|epoch| place(epoch.summary)))
        .flatten()
        .collect();
    svg.push_str(&plot.line("trail", &stops, 0.0));
    if let Some((x, y)) = place(input.base) {
        svg.push_str(&plot.dot("base", x, y, 0.0));
    }
    let epochs: Vec<(&EpochResult<'_>, (f64, f64))> =
        input.epochs.iter().filter_map(|epoch| Some((epoch, place(epoch.summary)?))).collect();
    for (number, (epoch, (x, y))) in epochs.iter().enumerate() {
        let class = if number + 1 == epochs.len() { "tuned" } else { "passed" };
        svg.push_str(&format!("<g><title>epoch {}</title>{}</g>", escape(epoch.label), plot.dot(class, *x, *y, 0.0)));
    }
    let mut rows = vec![row("base".to_owned(), input.base)];
    rows.extend(input.epochs.iter().map(|epoch| row(format!("epoch {}", escape(epoch.label)), epoch.summary)));
    format!(
        "<section><h2>Good hints and bad hints</h2><p>Among items wrong before, how many a right hint repairs; among items right \
         before, how many a wrong hint captures. On the diagonal hints are followed or ignored blindly; up and left is \
         discrimination.</p>{}{}{}</section>",
        super::plot::legend(&input.last_label()),
        plot.svg("Repair against capture, base and epochs", &svg),
        folded_table(&["", "capture", "of", "repair", "of", "discrimination", "gain, points"], &rows)
    )
}

fn row(name: String, summary: &Summary) -> Vec<String> {
    let n = |id: &str| summary.estimate(id).map_or(0, |estimate| estimate.n).to_string();
    vec![
        name,
        share(summary.estimate("capture")),
        n("capture"),
        share(summary.estimate("repair")),
        n("repair"),
        difference(summary.estimate("hint_discrimination")),
        difference(summary.gain("hint_discrimination")),
    ]
}
