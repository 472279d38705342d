//! Paired image score against capture: whether the model uses the image, and whether a wrong hint moves it.

use stepwise_benchmark::metrics::Better;

use super::ReportInput;
use super::epoch_axis;
use super::hint_plane::CAPTURE;
use super::plane::{Plane, PlaneAxis};
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Paired image score against capture by wrong hints.
pub(crate) const PLANE: Plane = Plane {
    name: "Paired image score against capture",
    x: CAPTURE,
    y: PlaneAxis { id: "image_score", word: "paired image score", title: "paired image score, %" },
    reference: [(0.0, 0.5), (1.0, 0.5)],
    corners: ["image, not the hint", "hint, not the image", "image and hint", "neither image nor hint"],
};

/// Explains both metrics, before the sentences about the chart.
pub(crate) const MEANING: &str = "The paired image score is the share of items whose right answer is likelier with the own image than with a similar image \
     that has another answer. Without use of the image it is 50 %, the dotted line. Capture is the share of the items right \
     under a neutral hint whose answer follows a wrong hint.";

/// Renders the section `sight`: paired image score against capture, for the base and every epoch, as a chart with a
/// table. `None` where neither the base nor an epoch has values of both.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    Some(ReportSection {
        id: "sight",
        title: "Use of the image and wrong hints",
        intro: format!(
            "{MEANING} Training may improve one and worsen the other, so both belong together; the upper left corner is best."
        ),
        body: PLANE.of_run(input)?,
        tables: vec![table(input)],
        half: true,
    })
}

fn table(input: &ReportInput<'_>) -> ReportTable {
    let rows = epoch_axis::stops(input).into_iter().map(|(_, label, summary)| {
        [
            Cell::text(label),
            Cell::Share(summary.estimate("image_score")),
            Cell::Gain(summary.gain("image_score"), Better::Higher),
            Cell::Share(summary.estimate("capture")),
            Cell::Gain(summary.gain("capture"), Better::Lower),
        ]
    });
    ReportTable::new(
        "sight",
        "paired image score and capture by epoch",
        [
            ("epoch", "epoch"),
            ("image_score", "paired image score"),
            ("image_score_gain", "gain, percentage points"),
            ("capture", "capture"),
            ("capture_gain", "gain, percentage points"),
        ],
        rows,
    )
}
