//! Accuracy over all attacks at once.

use super::family::{attacks, representatives};
use super::metric::{Better, Metric, share};
use super::outcome_table::OutcomeTable;
use crate::stats::Statistic;

/// Returns accuracy over several attacks at once:
///
/// - `robust_accuracy`: share of items that are right clean and under one attack of every family (see
///   [`representatives`]);
/// - `worst_case_accuracy`: share of items that are right clean and under every attack of the suite;
/// - `mean_attacked_accuracy`: accuracy under one attack of every family, as the mean over the families with equal
///   weights.
///
/// The first two count the items evaluated clean and under at least one of the attacks, each under the attacks that
/// apply to it. An item to which more attacks apply must withstand more, so values of suites with other attacks are not
/// comparable. A metric without such items is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let representatives = representatives(table);
    vec![
        // RA = mean of the smallest y(c) over clean and one attack of every family
        worst(
            table,
            "robust_accuracy",
            "robust accuracy (right clean and under one attack of every family)",
            &representatives,
        ),
        // RA over every attack of the suite
        worst(
            table,
            "worst_case_accuracy",
            "worst-case accuracy (right clean and under every attack)",
            &attacks(table).map(|(c, _)| c).collect::<Vec<_>>(),
        ),
        mean(table, &representatives),
    ]
}

/// Share of items that are right clean and under all `attacks` they were evaluated under, of the items evaluated under
/// at least one. An item to which more attacks apply must withstand more, so values of suites with other attacks or
/// caps are not comparable.
fn worst(table: &OutcomeTable<'_>, id: &str, label: &str, attacks: &[usize]) -> Metric {
    let clean = table.clean();
    let sums = table.sums(|row| {
        let mut asked = attacks.iter().filter_map(|&c| row.right(c)).peekable();
        asked.peek()?;
        Some([asked.fold(row.right(clean)?, f64::min), 1.0])
    });
    Metric::mean(id, label, Better::Higher, sums)
}

/// Returns `mean_attacked_accuracy`: the mean over the families of attacks of the accuracy under one attack of each
/// family, with equal weights.
fn mean(table: &OutcomeTable<'_>, attacks: &[usize]) -> Metric {
    let mut columns = Vec::new();
    let mut n = 0;
    for &c in attacks {
        let sums = table.sums(|row| Some([row.right(c)?, 1.0]));
        n += sums.n;
        columns.extend(sums.columns);
    }
    let formula = |t: &[f64]| {
        let asked: Vec<f64> = t.chunks_exact(2).filter_map(|pair| share(pair[0], pair[1])).collect();
        share(asked.iter().sum(), asked.len() as f64)
    };
    Metric {
        id: "mean_attacked_accuracy".into(),
        label: "accuracy under attack (mean over the families of attacks)".into(),
        better: Better::Higher,
        n,
        statistic: Statistic::new(columns, formula).within(0.0, 1.0),
    }
}
