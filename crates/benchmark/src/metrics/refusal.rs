//! Whether a reader says so when the evidence is gone. Only questions that offer to decline, where declining is not right.

use super::outcome_table::one_if;
use super::{Better, Ledger, Metric, Row};

/// The set: silent failure under every condition that takes the evidence away, and false refusal with the evidence there.
/// Read them together: who declines always never fails in silence.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let clean = ledger.clean();
    // P(refusal given the evidence is there)
    let mut metrics = vec![Metric::mean(
        "false_refusal",
        "false refusal (declines although the evidence is there)",
        Better::Lower,
        ledger.sums(|row| Some([one_if(declines(row, clean)?), 1.0])),
    )];
    let gone = |kind: &str| matches!(kind, "blank" | "no_image" | "region_mask");
    for (c, condition) in ledger.conditions().filter(|(_, condition)| gone(condition.kind)) {
        // SF = P(an answer that is not the refusal, given the evidence is gone); what cannot be read is no answer
        metrics.push(Metric::mean(
            format!("silent_failure:{}", condition.id),
            format!("silent failure, {} (answers although the evidence is gone)", condition.id),
            Better::Lower,
            ledger.sums(|row| {
                let declines = declines(row, c)?;
                let answers = row.at(c)?.index.is_some();
                Some([one_if(answers && !declines), 1.0])
            }),
        ));
    }
    metrics
}

/// Whether the answer is the one that declines; none where there is no such option.
fn declines(row: &Row<'_>, c: usize) -> Option<bool> {
    let outcome = row.at(c)?;
    let refusal = outcome.refusal?;
    Some(outcome.index == Some(refusal))
}
