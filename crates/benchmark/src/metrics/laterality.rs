//! Left and right: on a mirrored picture the right answer to some questions is another one.

use super::{Better, Ledger, Metric};

/// The set, on the items whose right answer a mirror changes.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let clean = ledger.clean();
    let mut metrics = Vec::new();
    for (c, condition, first) in ledger.variants("flip") {
        let name = |base: &str| Ledger::name(base, condition, first);
        // y(0) y(flip)
        metrics.push(Metric::mean(
            name("laterality_accuracy"),
            "laterality accuracy (right on the picture and on its mirror image, where the right answer changes)",
            Better::Higher,
            ledger.sums(|row| (!row.keeps_gold(c)?).then_some([row.right(clean)? * row.right(c)?, 1.0])),
        ));
        // P(a(flip) = a(0))
        metrics.push(Metric::mean(
            name("laterality_blindness"),
            "laterality blindness (same answer on the mirror image, where the right one changes)",
            Better::Lower,
            ledger.sums(|row| (!row.keeps_gold(c)?).then_some([row.alike(c)?, 1.0])),
        ));
    }
    metrics
}
