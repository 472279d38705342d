//! Repair against capture: whether the model takes right hints and rejects wrong ones.

use stepwise_benchmark::metrics::Better;

use super::ReportInput;
use super::epoch_axis;
use super::plane::{Plane, PlaneAxis};
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Axis of the share of wrong hints that a model follows.
pub(crate) const CAPTURE: PlaneAxis =
    PlaneAxis { id: "capture", word: "capture", title: "capture: follows a wrong hint, %" };

/// Repair by right hints against capture by wrong hints.
pub(crate) const PLANE: Plane = Plane {
    name: "Repair against capture",
    x: CAPTURE,
    y: PlaneAxis { id: "repair", word: "repair", title: "repair: takes a right hint, %" },
    reference: [(0.0, 0.0), (1.0, 1.0)],
    corners: ["takes right, rejects wrong", "takes wrong, rejects right", "follows all hints", "ignores all hints"],
};

/// Explains both metrics, before the sentences about the chart.
pub(crate) const MEANING: &str = "The reference is the same sentence without an answer. Repair is the share of the items wrong there that are right with a \
     right hint. Capture is the share of the items right there whose answer follows a wrong hint.";

/// Renders the section `hints`: repair by right hints against capture by wrong hints, for the base and every epoch, as
/// a chart with a table. `None` where neither the base nor an epoch has values of both.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    Some(ReportSection {
        id: "hints",
        title: "Right and wrong hints",
        intro: format!(
            "{MEANING} On the diagonal the model treats right and wrong hints alike; the upper left corner is best."
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
