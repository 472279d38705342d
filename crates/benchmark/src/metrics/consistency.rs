//! Whether answers stay the same, and whether they follow a place instead of a meaning.

use super::{Better, Ledger, Metric, share};
use crate::perturb::Purpose;
use crate::stats::Statistic;

/// The family.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let clean = ledger.clean();
    let mut metrics = Vec::new();
    for (c, condition) in ledger.conditions().filter(|(c, _)| *c != clean) {
        // FR(c) = P(a(c) != a(0)); consistency is 1 - FR
        let sums = ledger.sums(|row| {
            let alike = row.at(c)?.answers_like(row.at(clean)?);
            Some([f64::from(u8::from(!alike)), 1.0])
        });
        let better = if condition.purpose == Purpose::Attack { Better::Lower } else { Better::Neither };
        metrics.push(Metric::mean(
            format!("flip_rate:{}", condition.id),
            format!("flip rate, {}", condition.id),
            better,
            sums,
        ));
    }
    let orders: Vec<usize> = ledger.of_kind("permutation").map(|(c, _)| c).collect();
    if !orders.is_empty() {
        // Right as stored and under every other order asked.
        let every = ledger.sums(|row| {
            let others = orders.iter().map(|&c| row.right(c)).collect::<Option<Vec<_>>>()?;
            Some([others.into_iter().fold(row.right(clean)?, f64::min), 1.0])
        });
        metrics.push(Metric::mean("all_orders_accuracy", "right in every order of the options", Better::Higher, every));
        metrics.push(position_bias(ledger, [vec![clean], orders].concat()));
    }
    metrics
}

/// Places that are told apart; further ones are not counted.
const PLACES: usize = 8;

/// `position_bias`: by how much the most chosen place is chosen more often than the least chosen, each against the even
/// share of its questions, over the choices asked in more than one order. With one number of options this is the spread
/// of P(letter). Sampling alone keeps it above zero; compare it, do not test it against zero.
fn position_bias(ledger: &Ledger<'_>, orders: Vec<usize>) -> Metric {
    let sums = ledger.sums(|row| {
        let mut sums = [0.0; 2 * PLACES];
        for &c in &orders {
            let outcome = row.at(c)?;
            for place in 0..outcome.options.min(PLACES) {
                let chosen = f64::from(u8::from(outcome.position == Some(place)));
                sums[2 * place] += chosen - 1.0 / outcome.options as f64;
                sums[2 * place + 1] += 1.0;
            }
        }
        Some(sums)
    });
    let spread = |t: &[f64]| {
        let excess: Vec<f64> = t.chunks_exact(2).filter_map(|place| share(place[0], place[1])).collect();
        let (low, high) = excess.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
        (!excess.is_empty()).then_some(high - low)
    };
    Metric {
        id: "position_bias".into(),
        label: "position bias (spread over the places of the options)".into(),
        better: Better::Lower,
        n: sums.n,
        statistic: Statistic { columns: sums.columns.into(), formula: Box::new(spread) },
    }
}
