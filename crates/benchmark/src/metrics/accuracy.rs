//! Accuracy under every condition, its effect against the condition's control, and accuracy over all attacks at once.

use super::{Better, Ledger, Metric, paired, share};
use crate::perturb::Purpose;
use crate::stats::Statistic;

/// The family.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (c, condition) in ledger.conditions() {
        let id = &condition.id;
        metrics.push(Metric::mean(
            format!("accuracy:{id}"),
            format!("accuracy, {id}"),
            better(condition.purpose),
            ledger.sums(|row| Some([row.right(c)?, 1.0])),
        ));
        for stage in 1..=4 {
            metrics.push(Metric::mean(
                format!("accuracy:{id}:stage_{stage}"),
                format!("accuracy, {id}, stage {stage}"),
                better(condition.purpose),
                ledger.sums(|row| (row.stage == stage).then_some([row.right(c)?, 1.0])),
            ));
        }
        if let Some((control, of)) = ledger.control(condition) {
            metrics.push(Metric::mean(
                format!("effect:{id}"),
                format!("accuracy, {id} less {}", of.id),
                Better::Neither,
                paired(ledger, c, control),
            ));
        }
    }
    metrics.extend([robust(ledger), worst_case(ledger)]);
    metrics
}

/// Under a removal or a control a change of accuracy is read by its own metric, not judged as such.
fn better(purpose: Purpose) -> Better {
    match purpose {
        Purpose::Reference | Purpose::Attack | Purpose::Help => Better::Higher,
        Purpose::Removal | Purpose::Control => Better::Neither,
    }
}

fn attacks(ledger: &Ledger<'_>) -> Vec<usize> {
    ledger.conditions().filter(|(_, condition)| condition.purpose == Purpose::Attack).map(|(c, _)| c).collect()
}

/// `robust_accuracy`: the mean over the attacks of the accuracy under each, every attack with equal weight.
fn robust(ledger: &Ledger<'_>) -> Metric {
    let mut columns = Vec::new();
    let mut n = 0;
    for c in attacks(ledger) {
        let sums = ledger.sums(|row| Some([row.right(c)?, 1.0]));
        n += sums.n;
        columns.extend(sums.columns);
    }
    let formula = Box::new(|t: &[f64]| {
        let asked: Vec<f64> = t.chunks_exact(2).filter_map(|pair| share(pair[0], pair[1])).collect();
        share(asked.iter().sum(), asked.len() as f64)
    });
    Metric {
        id: "robust_accuracy".into(),
        label: "robust accuracy (mean over the attacks)".into(),
        better: Better::Higher,
        n,
        statistic: Statistic { columns, formula },
    }
}

/// `worst_case_accuracy`: the share of items right clean and under every attack they were asked under.
fn worst_case(ledger: &Ledger<'_>) -> Metric {
    let (clean, attacks) = (ledger.clean(), attacks(ledger));
    let sums = ledger.sums(|row| {
        let worst = attacks.iter().filter_map(|&c| row.right(c)).fold(row.right(clean)?, f64::min);
        Some([worst, 1.0])
    });
    Metric::mean(
        "worst_case_accuracy",
        "worst-case accuracy (right clean and under every attack)",
        Better::Higher,
        sums,
    )
}
