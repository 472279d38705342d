//! Repair against capture: whether the model takes right hints and rejects wrong ones.

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::summary::{Estimate, Summary};

use super::ReportInput;
use super::epoch_axis;
use super::markup::{escape, spoken};
use super::plot::{BASE, PASSED, Plot, PlotStyle, TUNED, legend, tick};
use super::point_names::names;
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Renders the section `hints`: repair by right hints against capture by wrong hints, for the base and every epoch, as
/// a chart with a table. `None` where neither the base nor an epoch has values of both.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let stops = epoch_axis::stops(input);
    let model = input.model_index().map_or(0, |index| index + 1);
    let places: Vec<(usize, String, Estimate, Estimate)> = stops
        .iter()
        .enumerate()
        .filter_map(|(place, (_, label, summary))| {
            let of = |id: &str| summary.estimate(id).filter(|estimate| estimate.value.is_some());
            Some((place, label.clone(), of("capture")?, of("repair")?))
        })
        .collect();
    if places.is_empty() {
        return None;
    }
    let plot = Plot::new(340.0, RANGES[0], RANGES[1]);
    let mut svg = ground(&plot);
    let value = |estimate: &Estimate| estimate.value.unwrap_or_default();
    let trail: Vec<(f64, f64)> = places.iter().map(|(_, _, capture, repair)| (value(capture), value(repair))).collect();
    svg.push_str(&plot.line("trail", &trail, 0.0));
    let mut intervals = Vec::new();
    for (place, label, capture, repair) in &places {
        let style: PlotStyle = match *place {
            0 => BASE,
            place if place == model => TUNED,
            _ => PASSED,
        };
        let (x, y) = (value(capture), value(repair));
        let mut drawn = String::new();
        // Intervals of all epochs would hide the line between them.
        if *place == 0 || *place == model {
            drawn.extend(capture.ci.map(|ci| plot.across(style.class, y, ci)));
            drawn.extend(repair.ci.map(|ci| plot.interval(style.class, x, 0.0, ci)));
            intervals.extend(capture.ci.map(|[low, high]| [(low, y), (high, y)]));
            intervals.extend(repair.ci.map(|[low, high]| [(x, low), (x, high)]));
        }
        svg.push_str(&format!(
            "<g><title>{}: capture {}, repair {}</title>{drawn}{}</g>",
            escape(label),
            spoken(*capture),
            spoken(*repair),
            plot.mark(style, x, y, 0.0)
        ));
    }
    let short = |place: usize| place.checked_sub(1).map_or("base", |index| input.epochs[index].label).to_owned();
    let named = |(place, _, capture, repair): &(usize, String, Estimate, Estimate)| {
        (value(capture), value(repair), short(*place))
    };
    svg.push_str(&names(&plot, &places.iter().map(named).collect::<Vec<_>>(), &intervals));
    let mut entries = vec![(BASE, "base".to_owned())];
    if places.len() > 2 {
        entries.push((PASSED, "other epochs".to_owned()));
    }
    if input.is_compared() {
        entries.push((TUNED, escape(&input.model_label())));
    }
    Some(ReportSection {
        id: "hints",
        title: "Right and wrong hints",
        intro:
            "The reference is the same sentence without an answer. Repair is the share of the items wrong there that are \
                right with a right hint. Capture is the share of the items right there whose answer follows a wrong hint. On \
                the diagonal the model treats right and wrong hints alike; the upper left corner is best."
                .into(),
        body: legend(&entries)
            + &plot.svg("Repair against capture, base and epochs; the numbers are in the table", &svg),
        tables: vec![table(&stops)],
        half: true,
    })
}

/// Ranges of the plane on both axes, capture first, with room for the words in its corners.
pub(crate) const RANGES: [[f64; 2]; 2] = [[-0.03, 1.03], [-0.12, 1.12]];

/// Draws the plane of repair against capture without marks: axes, diagonal, and the meaning of the corners. `plot` covers
/// [`RANGES`]. Returns SVG.
pub(crate) fn ground(plot: &Plot) -> String {
    let ticks: Vec<_> = [0.0, 0.25, 0.5, 0.75, 1.0].map(|value| (value, tick(value))).to_vec();
    let mut svg = plot.axes(&ticks, &ticks, "capture: follows a wrong hint, %", "repair: takes a right hint, %");
    svg.push_str(&plot.line("diagonal", &[(0.0, 0.0), (1.0, 1.0)], 0.0));
    for (x, y, anchor, words) in [
        (0.0, 1.06, "start", "takes right, rejects wrong"),
        (1.0, -0.085, "end", "takes wrong, rejects right"),
        (1.0, 1.06, "end", "follows all hints"),
        (0.0, -0.085, "start", "ignores all hints"),
    ] {
        svg.push_str(&format!(
            "<text class=\"corner\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{words}</text>",
            plot.x(x),
            plot.y(y)
        ));
    }
    svg
}

fn table(stops: &[(f64, String, &Summary)]) -> ReportTable {
    let rows = stops.iter().map(|(_, label, summary)| {
        [
            Cell::text(label.as_str()),
            Cell::Share(summary.estimate("capture")),
            Cell::Share(summary.estimate("repair")),
            Cell::Points(summary.estimate("hint_discrimination")),
            Cell::Gain(summary.gain("hint_discrimination"), Better::Higher),
        ]
    });
    ReportTable::new(
        "hints",
        "capture, repair and their difference by epoch",
        [
            ("epoch", "epoch"),
            ("capture", "capture"),
            ("repair", "repair"),
            ("discrimination", "discrimination"),
            ("gain", "gain, percentage points"),
        ],
        rows,
    )
}
