//! Order effects: whether answers follow the position of an option instead of its meaning.

use super::metric::{Better, Metric, share};
use super::outcome_table::{OutcomeTable, one_if};

/// Returns the order effects, over the choices evaluated in their stored order and in at least one other order:
///
/// - `all_orders_accuracy`: share that is right in every evaluated order;
/// - `circular_accuracy`: share that is right under every rotation of the options, over the choices evaluated under all
///   of them; only where the suite has rotations;
/// - `position_bias`: how much more often the most chosen position is chosen than the least chosen one, each relative
///   to an even share of its questions. Sampling alone keeps it above zero, so compare values and do not test against
///   zero.
///
/// Empty where the suite has no other order of the options; a metric without such choices is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let orders: Vec<usize> = table.of_kind("permutation").map(|(c, _)| c).collect();
    if orders.is_empty() {
        return Vec::new();
    }
    // Right in the stored order and in every other evaluated order; choices with few options have fewer rotations.
    let every = table.sums(|row| {
        let mut asked = orders.iter().filter_map(|&c| row.right(c)).peekable();
        asked.peek()?;
        Some([asked.fold(row.right(clean)?, f64::min), 1.0])
    });
    let label = "right in every evaluated order of the options";
    let mut metrics = vec![Metric::mean("all_orders_accuracy", label, Better::Higher, every)];
    let rotations: Vec<(usize, usize)> = table
        .of_kind("permutation")
        .filter_map(|(c, condition)| Some((condition.number("rotate")? as usize, c)))
        .collect();
    if !rotations.is_empty() {
        // Right under all k rotations of its k options; choices without all rotations are left out.
        let circular = table.sums(|row| {
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
    metrics.push(position_bias(table, &orders));
    metrics
}

/// Number of option positions that are counted; further ones are left out.
const PLACES: usize = 8;

/// Returns `position_bias`: how much more often the most chosen position is chosen than the least chosen one, each
/// relative to an even share of its questions, over the choices evaluated in more than one order. Where all choices
/// have the same number of options, this is the spread of P(letter). Sampling alone keeps the value above zero, so
/// compare values and do not test against zero.
fn position_bias(table: &OutcomeTable<'_>, orders: &[usize]) -> Metric {
    let sums = table.sums(|row| {
        let mut sums = [0.0; 2 * PLACES];
        let others: Vec<_> = orders.iter().filter_map(|&c| row.at(c)).collect();
        if others.is_empty() {
            return None;
        }
        // An unparsed response has chosen no position.
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
    let label = "position bias (spread over the positions of the options)";
    Metric::new("position_bias", label, Better::Lower, sums, spread)
}
