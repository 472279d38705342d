//! Clean, attacked and robust accuracy by epoch.

use stepwise_benchmark::metrics::Better;

use super::ReportInput;
use super::epoch_axis;
use super::plot::RANKED;
use super::section::ReportSection;
use super::series::{self, Series};
use super::table::{Cell, ReportTable};

const CURVES: [(&str, &str); 3] = [
    ("accuracy:clean", "clean"),
    ("mean_attacked_accuracy", "under attack, mean over the attack families"),
    ("robust_accuracy", "robust: right clean and under one attack of every family"),
];

/// Renders the section `epochs`: clean, attacked and robust accuracy of the base and every epoch, as a chart with a
/// table of gains. `None` without epochs, or where none of these accuracies has a value.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let stops = epoch_axis::stops(input);
    let all: Vec<Series> =
        CURVES.iter().zip(RANKED).map(|((id, name), style)| Series::of(style, *name, id, stops.clone())).collect();
    if !input.is_compared() || series::is_empty(&all) {
        return None;
    }
    let y_ticks = series::ticks(&all, series::NOTHING);
    let plot = epoch_axis::plot(input, [y_ticks[0].0, y_ticks[y_ticks.len() - 1].0]);
    let svg = plot.axes(&y_ticks, &epoch_axis::ticks(input), "epoch", "accuracy, %") + &series::draw(&plot, &all);
    let remarks = std::iter::once("").chain(input.epochs.iter().map(|epoch| epoch.remark));
    let rows = stops.iter().zip(remarks).map(|((_, label, summary), remark)| {
        let [clean, mean, robust] = CURVES.map(|(id, _)| id);
        [
            Cell::text(label.as_str()),
            Cell::Share(summary.estimate(clean)),
            Cell::Gain(summary.gain(clean), Better::Higher),
            Cell::Share(summary.estimate(mean)),
            Cell::Gain(summary.gain(mean), Better::Higher),
            Cell::Share(summary.estimate(robust)),
            Cell::Gain(summary.gain(robust), Better::Higher),
            Cell::text(remark),
        ]
    });
    let table = ReportTable::new(
        "epochs",
        "accuracy by epoch",
        [
            ("epoch", "epoch"),
            ("clean", "clean"),
            ("clean_gain", "gain, percentage points"),
            ("attacked", "under attack, mean"),
            ("attacked_gain", "gain, percentage points"),
            ("robust", "robust"),
            ("robust_gain", "gain, percentage points"),
            ("remark", "remark"),
        ],
        rows,
    );
    Some(ReportSection {
        id: "epochs",
        title: "Accuracy by epoch",
        intro:
            "A gain in clean accuracy shows in the first curve; a gain in robustness shows in the other two. The vertical \
                axis covers the range of the values and need not start at zero."
                .into(),
        body: series::names(&all)
            + &plot.svg("Clean, attacked and robust accuracy by epoch; the numbers are in the table", &svg),
        tables: vec![table],
        half: true,
    })
}
