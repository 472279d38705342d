//! Box metrics: overlap of given and right boxes, on clean questions.

use super::metric::{Better, Metric};
use super::outcome_table::{ItemRow, OutcomeTable, one_if};
use crate::score::closeness::Measure;

/// Thresholds of intersection over union, with their spelling in metric ids.
const THRESHOLDS: [(f64, &str); 3] = [(0.3, "30"), (0.5, "50"), (0.75, "75")];

/// Returns the box metrics, over the items with a box answer that were evaluated clean:
///
/// - `box:iou`: mean intersection over union of the boxes;
/// - `box:acc_30`, `box:acc_50`, `box:acc_75`: share of boxes that overlap the matched right box by at least 0.3, 0.5
///   or 0.75;
/// - `box:none_given`: share of items whose response contains no box.
///
/// Boxes are matched one to one so that the sum of overlaps is largest. For each item, `box:iou` and `box:acc_*` are
/// divided by the larger of the numbers of right and given boxes, so a superfluous box costs as much as a missing one;
/// every item has the same weight. A metric without such items is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let mean = |value: &dyn Fn(&[f64]) -> f64| {
        table.sums(|row| {
            let (overlaps, found) = boxes(row)?;
            let most = overlaps.len().max(found);
            (most > 0).then(|| [value(overlaps) / most as f64, 1.0])
        })
    };
    let mut metrics =
        vec![Metric::mean("box:iou", "boxes, mean intersection over union", Better::Higher, mean(&|o| o.iter().sum()))];
    metrics.extend(THRESHOLDS.map(|(least, name)| {
        let hits = mean(&|overlaps| overlaps.iter().filter(|overlap| **overlap >= least).count() as f64);
        Metric::mean(format!("box:acc_{name}"), format!("boxes, Acc@{least}"), Better::Higher, hits)
    }));
    metrics.push(Metric::mean(
        "box:none_given",
        "boxes, responses without a box",
        Better::Lower,
        table.sums(|row| Some([one_if(boxes(row)?.1 == 0), 1.0])),
    ));
    metrics
}

/// Overlaps of the right boxes, and the number of given boxes; None for other types of answer.
fn boxes<'a>(row: &ItemRow<'a>) -> Option<(&'a [f64], usize)> {
    match row.clean()?.measure.as_ref()? {
        Measure::Boxes { overlaps, found } => Some((overlaps, *found)),
        Measure::Number { .. } | Measure::Text { .. } => None,
    }
}
