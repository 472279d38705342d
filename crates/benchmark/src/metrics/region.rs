//! Whether the right place matters: covering it, and covering all but it.

use super::{Better, Ledger, Metric, paired};

/// The set.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let clean = ledger.clean();
    let mut metrics = Vec::new();
    for (c, condition, first) in ledger.variants("region_mask") {
        let Some((control, _)) = ledger.control(condition).filter(|(_, control)| control.kind == "random_mask") else {
            continue;
        };
        // RG = [A(0) - A(region mask)] - [A(0) - A(random mask)]
        metrics.push(Metric::mean(
            Ledger::name("region_grounding", condition, first),
            "region grounding (loss by covering the evidence, less that by covering as much elsewhere)",
            Better::Higher,
            ledger.sums(|row| {
                let clean = row.right(clean)?;
                Some([(clean - row.right(c)?) - (clean - row.right(control)?), 1.0])
            }),
        ));
    }
    let masks = ledger.variants("region_mask");
    let mask = masks.iter().find(|(_, _, first)| *first).map(|(c, _, _)| *c);
    for (c, condition, first) in ledger.variants("region_only") {
        let Some(mask) = mask else { continue };
        // VGR = A(region only) - A(region mask)
        metrics.push(Metric::mean(
            Ledger::name("visual_grounding", condition, first),
            "visual grounding (accuracy on the evidence alone, less that on all but the evidence)",
            Better::Higher,
            paired(ledger, c, mask),
        ));
    }
    metrics
}
