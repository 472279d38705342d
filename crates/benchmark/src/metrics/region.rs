//! Visual grounding: effect of covering the evidence, and of covering everything else.

use super::metric::{Better, Metric, paired};
use super::outcome_table::OutcomeTable;
use crate::perturb::support::masking::ANSWERS;
use crate::suite::Condition;

/// Returns the visual grounding of answers, on the items evaluated under all conditions of a comparison:
///
/// - `region_grounding`, for every `region_mask` whose control is `random_mask`: accuracy lost by covering the evidence
///   less accuracy lost by covering an area of the same shape elsewhere;
/// - `place_reading`, for every such `region_mask` with `answers = "place"`, in place of `region_grounding`: accuracy
///   with the evidence covered less accuracy with as much covered elsewhere. The cover shows these answers, so a model
///   that reads the cover is above 0, and nothing is known about looking at the evidence;
/// - `visual_grounding`, for every `region_only` where the suite has a `region_mask`: accuracy with only the evidence
///   visible less accuracy with the evidence covered.
///
/// A metric without such items is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let mut metrics = Vec::new();
    let mut has_places = false;
    for (c, condition, first) in table.variants("region_mask") {
        let Some((control, _)) = table.control(condition).filter(|(_, control)| control.kind == "random_mask") else {
            continue;
        };
        if asks_places(condition) {
            // A(region mask) - A(random mask)
            metrics.push(Metric::mean_difference(
                OutcomeTable::name("place_reading", condition, !has_places),
                "place reading (answers that are the place of the cover: accuracy with the evidence covered, less accuracy \
                 with as much covered elsewhere)",
                Better::Neither,
                paired(table, c, control),
            ));
            has_places = true;
            continue;
        }
        // RG = [A(0) - A(region mask)] - [A(0) - A(random mask)]
        metrics.push(Metric::mean(
            OutcomeTable::name("region_grounding", condition, first),
            "region grounding (accuracy lost by covering the evidence, less the loss by covering as much elsewhere)",
            Better::Higher,
            table.sums(|row| {
                let clean = row.right(clean)?;
                Some([(clean - row.right(c)?) - (clean - row.right(control)?), 1.0])
            }),
        ));
    }
    let masks = table.variants("region_mask");
    let mask = masks.iter().find(|(_, condition, first)| *first && !asks_places(condition)).map(|(c, _, _)| *c);
    for (c, condition, first) in table.variants("region_only") {
        let Some(mask) = mask.filter(|_| !asks_places(condition)) else { continue };
        // VGR = A(region only) - A(region mask)
        metrics.push(Metric::mean_difference(
            OutcomeTable::name("visual_grounding", condition, first),
            "visual grounding (accuracy with only the evidence visible, less accuracy with the evidence covered)",
            Better::Higher,
            paired(table, c, mask),
        ));
    }
    metrics
}

/// Returns whether a condition with a mask asks the items whose answer is the place of the evidence.
pub(super) fn asks_places(condition: &Condition) -> bool {
    condition.parameters.get(ANSWERS).and_then(toml::Value::as_str) == Some("place")
}
