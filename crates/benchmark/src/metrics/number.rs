//! Number metrics: the share within tolerance, and the median relative error, on clean questions.

use super::metric::{Better, Metric};
use super::outcome_table::{ItemRow, OutcomeTable};
use crate::score::closeness::Measure;
use crate::stats::{Sampling, Statistic};

/// Returns two metrics over the items with a number answer that were evaluated clean: `number:within_tolerance`, the
/// share of numbers within their tolerance, and `number:median_relative_error`, the median of `|given - right| /
/// |right|`. In the median a response without a number counts as an infinite error, and a number given where 0 is right
/// is left out. A metric without such items is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let within = table.sums(|row| {
        number(row)?;
        Some([row.right(clean)?, 1.0])
    });
    vec![
        Metric::mean("number:within_tolerance", "numbers within their tolerance", Better::Higher, within),
        median(table),
    ]
}

/// Largest number of distinct errors that are kept apart. Where there are more, errors of similar size form a level
/// that is represented by their mean, which moves the median by less than one in as many ranks.
const LEVELS: usize = 256;

/// Returns `number:median_relative_error`. A response without a number counts as an infinite error. A number given
/// where 0 is right has no relative error and is left out.
fn median(table: &OutcomeTable<'_>) -> Metric {
    let mut errors: Vec<f64> = table.rows.iter().filter_map(error).collect();
    errors.sort_unstable_by(f64::total_cmp);
    let levels = levels(&errors);
    // One column per level: the number of errors on it.
    let (mut columns, mut n) = (vec![vec![0.0; table.cells]; levels.len()], 0);
    for (row, error) in table.rows.iter().filter_map(|row| Some((row, error(row)?))) {
        let level = levels.partition_point(|(most, _)| *most < error).min(levels.len() - 1);
        columns[level][row.cell] += 1.0;
        n += 1;
    }
    let values: Vec<f64> = levels.into_iter().map(|(_, value)| value).collect();
    Metric {
        id: "number:median_relative_error".into(),
        label: "numbers, median relative error".into(),
        better: Better::Lower,
        n,
        // The jackknife variance of a median does not converge to its variance (Efron, 1982).
        statistic: Statistic::new(columns, move |counts| weighted_median(&values, counts)).sampled(Sampling::Unknown),
    }
}

/// For each level, in ascending order, its largest error and the value that represents it.
fn levels(sorted: &[f64]) -> Vec<(f64, f64)> {
    let different: Vec<&[f64]> = sorted.chunk_by(|a, b| a == b).collect();
    if different.len() <= LEVELS {
        return different.iter().map(|same| (same[0], same[0])).collect();
    }
    let mut levels: Vec<(f64, f64)> = sorted
        .chunks(sorted.len().div_ceil(LEVELS))
        .map(|part| (part[part.len() - 1], part.iter().sum::<f64>() / part.len() as f64))
        .collect();
    // Equal errors separated by a cut belong to the first level that contains them.
    levels.dedup_by(|later, earlier| later.0 == earlier.0);
    levels
}

/// Median of ascending `values` that occur `counts` times: the middle value, or the mean of the two middle values. None
/// without values.
fn weighted_median(values: &[f64], counts: &[f64]) -> Option<f64> {
    let total: f64 = counts.iter().sum();
    let at = |rank: f64| {
        let mut below = 0.0;
        values.iter().zip(counts).find_map(|(value, count)| {
            below += count;
            (below > rank).then_some(*value)
        })
    };
    let last = total - 1.0;
    (total > 0.0).then(|| Some((at((last / 2.0).floor())? + at((last / 2.0).ceil())?) / 2.0)).flatten()
}

fn error(row: &ItemRow<'_>) -> Option<f64> {
    match number(row)? {
        (Some(error), _) => Some(error),
        (None, false) => Some(f64::INFINITY),
        (None, true) => None,
    }
}

/// Relative error, and whether a number was given; None for other types of answer.
fn number(row: &ItemRow<'_>) -> Option<(Option<f64>, bool)> {
    match row.clean()?.measure.as_ref()? {
        Measure::Number { relative_error, given } => Some((*relative_error, *given)),
        Measure::Boxes { .. } | Measure::Text { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_counting(errors: &[f64]) -> Option<f64> {
        let mut sorted = errors.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let levels = levels(&sorted);
        let mut counts = vec![0.0; levels.len()];
        for error in errors {
            counts[levels.partition_point(|(most, _)| most < error).min(levels.len() - 1)] += 1.0;
        }
        weighted_median(&levels.iter().map(|(_, value)| *value).collect::<Vec<_>>(), &counts)
    }

    #[test]
    fn medians_of_known_lists() {
        assert_eq!(by_counting(&[]), None);
        assert_eq!(by_counting(&[0.5]), Some(0.5));
        assert_eq!(by_counting(&[0.5, 0.1, 0.1, 0.9]), Some(0.3));
        assert_eq!(by_counting(&[0.5, f64::INFINITY, 0.1]), Some(0.5));
        assert_eq!(by_counting(&[f64::INFINITY, f64::INFINITY, 0.1]), Some(f64::INFINITY));
    }

    proptest! {
        #[test]
        fn few_levels_are_exact_and_many_are_near(errors in prop::collection::vec(0.0f64..1.0, 1..2000)) {
            let mut sorted = errors.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let exact = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
            let found = by_counting(&errors).expect("not empty");
            let (low, high) = (sorted.len() / 2 - sorted.len() / 2 / 64, sorted.len() / 2 + sorted.len() / 64);
            let near = sorted[low.saturating_sub(1)]..=sorted[high.min(sorted.len() - 1)];
            let right = if sorted.len() <= LEVELS { found == exact } else { near.contains(&found) };
            prop_assert!(right);
        }
    }
}
