//! Left and right: on a mirrored image some questions have another right answer.

use super::metric::{Better, Metric};
use super::outcome_table::OutcomeTable;

/// Returns two metrics over the items whose right answer changes when the image is mirrored and that were evaluated
/// clean and mirrored:
///
/// - `laterality_accuracy`: share that is right on both images;
/// - `laterality_blindness`: share with the same answer on both.
///
/// Empty where the suite has no `flip`; a metric without such items is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let mut metrics = Vec::new();
    for (c, condition, first) in table.variants("flip") {
        let name = |base: &str| OutcomeTable::name(base, condition, first);
        // y(0) y(flip)
        metrics.push(Metric::mean(
            name("laterality_accuracy"),
            "laterality accuracy (right on the image and on its mirror image, where the right answer changes)",
            Better::Higher,
            table.sums(|row| (!row.keeps_gold(c)?).then_some([row.right(clean)? * row.right(c)?, 1.0])),
        ));
        // P(a(flip) = a(0))
        metrics.push(Metric::mean(
            name("laterality_blindness"),
            "laterality blindness (same answer on the mirror image, where the right one changes)",
            Better::Lower,
            table.sums(|row| (!row.keeps_gold(c)?).then_some([row.alike(c)?, 1.0])),
        ));
    }
    metrics
}
