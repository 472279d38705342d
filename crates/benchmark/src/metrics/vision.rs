//! Visual reliance: accuracy lost when the image is blank, missing or another patient's.

use super::metric::{Better, Metric, paired};
use super::outcome_table::OutcomeTable;

/// Returns the reliance on the image, on the items evaluated clean and under the condition:
///
/// - `visual_reliance_blank`, `visual_reliance_no_image`: clean accuracy less accuracy with a blank image or without an
///   image;
/// - `prior_following`, `prior_following_no_image`: share of answers that equal the clean answer although the image is
///   blank or missing;
/// - `visual_reliance_swap`: clean accuracy less accuracy with the image of another patient whose right answer differs;
/// - `image_sensitivity`: share of answers that change with this image; an unparsed response has not changed;
/// - `image_unrest`: share of answers that change with the image of another patient whose right answer is the same.
///
/// A metric exists only where the suite has its condition (`blank`, `no_image`, `swap_near`, `swap_same`). Without such
/// items it is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let mut metrics = Vec::new();
    for (kind, suffix, what) in [("blank", "blank", "blank image"), ("no_image", "no_image", "no image")] {
        for (c, condition, first) in table.variants(kind) {
            let name = |base: &str| OutcomeTable::name(&format!("{base}_{suffix}"), condition, first);
            // VR = A(0) - A(c)
            metrics.push(Metric::mean_difference(
                name("visual_reliance"),
                format!("visual reliance ({what})"),
                Better::Higher,
                paired(table, clean, c),
            ));
            // PF = P(a(c) = a(0))
            let id = if kind == "blank" {
                OutcomeTable::name("prior_following", condition, first)
            } else {
                name("prior_following")
            };
            let label = format!("prior following (same answer, {what})");
            metrics.push(Metric::mean(id, label, Better::Lower, table.sums(|row| Some([row.alike(c)?, 1.0]))));
        }
    }
    for (c, condition, first) in table.variants("swap_near") {
        let name = |base: &str| OutcomeTable::name(base, condition, first);
        // VR_swap = A(0) - A(swap)
        metrics.push(Metric::mean_difference(
            name("visual_reliance_swap"),
            "visual reliance (another patient's image)",
            Better::Higher,
            paired(table, clean, c),
        ));
        // IS = P(a(swap) != a(0)), where the right answers of the two patients differ; an unparsed response has not
        // followed the image
        metrics.push(Metric::mean(
            name("image_sensitivity"),
            "image sensitivity (another image with another answer, another answer given)",
            Better::Higher,
            table.sums(|row| {
                let answered = row.at(c)?.answer.is_some() && row.clean()?.answer.is_some();
                Some([if answered { 1.0 - row.alike(c)? } else { 0.0 }, 1.0])
            }),
        ));
    }
    for (c, condition, first) in table.variants("swap_same") {
        // 1 - P(a(swap same) = a(0)): the part of the sensitivity that is unrest alone
        metrics.push(Metric::mean(
            OutcomeTable::name("image_unrest", condition, first),
            "image unrest (another image with the same answer, another answer given)",
            Better::Lower,
            table.sums(|row| Some([1.0 - row.alike(c)?, 1.0])),
        ));
    }
    metrics
}
