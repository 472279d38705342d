//! Whether answers follow the place of an option instead of its meaning.

use super::outcome_table::one_if;
use super::{Better, Ledger, Metric, share};
use crate::stats::Statistic;

/// The set; empty where the suite asks no other order.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let clean = ledger.clean();
    let orders: Vec<usize> = ledger.of_kind("permutation").map(|(c, _)| c).collect();
    if orders.is_empty() {
        return Vec::new();
    }
    // Right as stored and under every other order it was asked in; short choices have fewer rotations.
    let every = ledger.sums(|row| {
        let mut asked = orders.iter().filter_map(|&c| row.right(c)).peekable();
        asked.peek()?;
        Some([asked.fold(row.right(clean)?, f64::min), 1.0])
    });
    let label = "right in every order of the options asked";
    let mut metrics = vec![Metric::mean("all_orders_accuracy", label, Better::Higher, every)];
    let rotations: Vec<(usize, usize)> = ledger
        .of_kind("permutation")
        .filter_map(|(c, condition)| Some((condition.number("rotate")? as usize, c)))
        .collect();
    if !rotations.is_empty() {
        // Right under all k rotations of its k options; choices of which not all rotations were asked are left out.
        let circular = ledger.sums(|row| {
            let options = row.clean()?.options;
            let mut worst = row.right(clean)?;
            for shift in 1..options {
                let (_, c) = rotations.iter().find(|(rotation, _)| *rotation == shift)?;
                worst = worst.min(row.right(*c)?);
            }
            (options > 1).then_some([worst, 1.0])
        });
        let label = "circular accuracy (right under every rotation of the options)";
        metrics.push(Metric::mean("circular_accuracy", label, Better::Higher, circular));
    }
    metrics.push(position_bias(ledger, &orders));
    metrics
}

/// Places that are told apart; further ones are not counted.
const PLACES: usize = 8;

/// `position_bias`: by how much the most chosen place is chosen more often than the least chosen, each against the even
/// share of its questions, over the choices asked in more than one order. With one number of options this is the spread
/// of P(letter). Sampling alone keeps it above zero; compare it, do not test it against zero.
fn position_bias(ledger: &Ledger<'_>, orders: &[usize]) -> Metric {
    let sums = ledger.sums(|row| {
        let mut sums = [0.0; 2 * PLACES];
        let others: Vec<_> = orders.iter().filter_map(|&c| row.at(c)).collect();
        if others.is_empty() {
            return None;
        }
        // A reply that cannot be read has chosen no place.
        for outcome in others.into_iter().chain([row.clean()?]).filter(|outcome| outcome.position.is_some()) {
            for place in 0..outcome.options.min(PLACES) {
                sums[2 * place] += one_if(outcome.position == Some(place)) - 1.0 / outcome.options as f64;
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
