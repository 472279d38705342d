//! Whether the right place matters: covering it, and pointing at it.

use super::{Better, Ledger, Metric, paired};

/// The family.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let clean = ledger.clean();
    let mut metrics = Vec::new();
    let masks: Vec<_> = ledger.of_kind("region_mask").collect();
    for &(c, condition) in &masks {
        let Some((control, _)) = ledger.control(condition).filter(|(_, control)| control.kind == "random_mask") else {
            continue;
        };
        // RG = [A(0) - A(region mask)] - [A(0) - A(random mask)]
        metrics.push(Metric::mean(
            Ledger::name("region_grounding", condition, masks.len() == 1),
            "region grounding (loss by covering the evidence, less that by covering as much elsewhere)",
            Better::Higher,
            ledger.sums(|row| {
                let clean = row.right(clean)?;
                Some([(clean - row.right(c)?) - (clean - row.right(control)?), 1.0])
            }),
        ));
    }
    let cues: Vec<_> = ledger.of_kind("cue_true").collect();
    for &(c, condition) in &cues {
        // CG = A(cue+) - A(0)
        let name = Ledger::name("cue_gain", condition, cues.len() == 1);
        metrics.push(Metric::mean(name, "cue gain (true mark)", Better::Higher, paired(ledger, c, clean)));
    }
    let false_cues: Vec<_> = ledger.of_kind("cue_wrong").collect();
    for &(c, condition) in &false_cues {
        // CH = A(0) - A(cue-)
        let name = Ledger::name("cue_harm", condition, false_cues.len() == 1);
        metrics.push(Metric::mean(name, "false-cue harm (wrong mark)", Better::Lower, paired(ledger, clean, c)));
    }
    metrics
}
