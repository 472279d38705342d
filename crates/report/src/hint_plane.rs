//! Repair against capture: does a reader take good hints, and does it reject bad ones?

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::summary::{Estimate, Summary};

use super::ReportInput;
use super::markup::{escape, spoken};
use super::plot::{BASE, PASSED, Plot, Style, TUNED, legend, tick};
use super::section::Section;
use super::table::{Cell, Table};

/// The section; none where the suite has no hints, or none of them was asked.
pub fn section(input: &ReportInput<'_>) -> Option<Section> {
    let stops = input.stops();
    let places: Vec<(String, Estimate, Estimate)> = stops
        .iter()
        .filter_map(|(_, label, summary)| {
            let of = |id: &str| summary.estimate(id).filter(|estimate| estimate.value.is_some());
            Some((label.clone(), of("capture")?, of("repair")?))
        })
        .collect();
    if places.is_empty() {
        return None;
    }
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
    let value = |estimate: &Estimate| estimate.value.unwrap_or_default();
    let trail: Vec<(f64, f64)> = places.iter().map(|(_, capture, repair)| (value(capture), value(repair))).collect();
    svg.push_str(&plot.line("trail", &trail, 0.0));
    for (number, (label, capture, repair)) in places.iter().enumerate() {
        let is_last = number + 1 == places.len();
        let style: Style = match number {
            0 => BASE,
            _ if is_last => TUNED,
            _ => PASSED,
        };
        let (x, y) = (value(capture), value(repair));
        let mut drawn = String::new();
        // Intervals of all epochs would hide the way.
        if number == 0 || is_last {
            drawn.extend(capture.ci.map(|ci| plot.across(style.class, y, ci)));
            drawn.extend(repair.ci.map(|ci| plot.interval(style.class, x, 0.0, ci)));
        }
        svg.push_str(&format!(
            "<g><title>{}: capture {}, repair {}</title>{drawn}{}</g>",
            escape(label),
            spoken(*capture),
            spoken(*repair),
            plot.mark(style, x, y, 0.0)
        ));
    }
    let mut entries = vec![(BASE, "base".to_owned())];
    if places.len() > 2 {
        entries.push((PASSED, "epochs on the way".to_owned()));
    }
    if input.is_compared() {
        entries.push((TUNED, escape(&input.last_label())));
    }
    Some(Section {
        id: "hints",
        title: "Good hints and bad hints",
        intro:
            "Among items wrong before, how many a right hint repairs; among items right before, how many a wrong hint \
                captures. On the diagonal hints are followed or ignored blindly; up and left is discrimination."
                .into(),
        body: legend(&entries)
            + &plot.svg("Repair against capture, base and epochs; the numbers are in the table", &svg),
        tables: vec![table(&stops)],
        half: true,
    })
}

fn table(stops: &[(f64, String, &Summary)]) -> Table {
    let rows = stops.iter().map(|(_, label, summary)| {
        [
            Cell::text(label.as_str()),
            Cell::Share(summary.estimate("capture")),
            Cell::Share(summary.estimate("repair")),
            Cell::Points(summary.estimate("hint_discrimination")),
            Cell::Gain(summary.gain("hint_discrimination"), Better::Higher),
        ]
    });
    Table::new(
        "hints",
        "capture, repair and their difference by epoch",
        [
            ("epoch", "epoch"),
            ("capture", "capture"),
            ("repair", "repair"),
            ("discrimination", "discrimination"),
            ("gain", "gain, points"),
        ],
        rows,
    )
}
