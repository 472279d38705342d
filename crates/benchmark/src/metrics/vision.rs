//! Whether the picture matters: what is lost when it is blank or another patient's.

use super::{Better, Ledger, Metric, paired};

/// The family.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let clean = ledger.clean();
    let mut metrics = Vec::new();
    let same_answer = |c: usize, same: f64| {
        ledger.sums(move |row| {
            let alike = row.at(c)?.answers_like(row.at(clean)?);
            Some([if alike { same } else { 1.0 - same }, 1.0])
        })
    };
    let blanks: Vec<_> = ledger.of_kind("blank").collect();
    for &(c, condition) in &blanks {
        let name = |base: &str| Ledger::name(base, condition, blanks.len() == 1);
        // VR_blank = A(0) - A(blank)
        let reliance = paired(ledger, clean, c);
        metrics.push(Metric::mean(
            name("visual_reliance_blank"),
            "visual reliance (blank picture)",
            Better::Higher,
            reliance,
        ));
        // PF = P(a(blank) = a(0))
        let prior = same_answer(c, 1.0);
        metrics.push(Metric::mean(
            name("prior_following"),
            "prior following (same answer without the picture)",
            Better::Lower,
            prior,
        ));
    }
    let swaps: Vec<_> = ledger.of_kind("swap_near").collect();
    for &(c, condition) in &swaps {
        let name = |base: &str| Ledger::name(base, condition, swaps.len() == 1);
        // VR_swap = A(0) - A(swap)
        let reliance = paired(ledger, clean, c);
        metrics.push(Metric::mean(
            name("visual_reliance_swap"),
            "visual reliance (another patient's picture)",
            Better::Higher,
            reliance,
        ));
        // IS = P(a(swap) != a(0)), the right answers of the two patients being different
        let sensitivity = same_answer(c, 0.0);
        metrics.push(Metric::mean(
            name("image_sensitivity"),
            "image sensitivity (another picture, another answer)",
            Better::Higher,
            sensitivity,
        ));
    }
    metrics
}
