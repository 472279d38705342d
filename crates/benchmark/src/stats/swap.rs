//! Permutation test between two arms of a study, for any statistic that is a function of sums.

use rand::Rng;
use stepwise_data::random::stream;

use super::Statistic;

/// Largest number of differing groups for which all swaps are enumerated; with more groups, swaps are drawn.
const ENUMERATED: usize = 13;

/// Number of draws with more groups than [`ENUMERATED`].
const DRAWS: usize = 10_000;

/// Statistics of the two arms for one seed: the same statistic over the same groups.
pub type SwapPair<'a> = (&'a Statistic, &'a Statistic);

/// Returns the p-value of no difference between two arms, two-sided on the absolute difference of the means over seeds.
/// Under the null hypothesis the arms are interchangeable within a group. The values of each group are therefore
/// swapped between the arms, in all seeds at once, or left. The test is exact up to 13 groups that differ; with more
/// groups it takes 10,000 seeded draws, and the observed arrangement counts as one of them. For a mean this is the
/// sign-flip test over groups.
///
/// The p-value is about other cases with the same seeds, not about other seeds: no test can generalise from three seeds
/// to others. None where the difference is not defined.
#[must_use]
pub fn swap(pairs: &[SwapPair<'_>], groups: usize, seed: u64) -> Option<f64> {
    let moves = Moves::new(pairs, groups);
    let observed = moves.difference(|_| false)?.abs();
    // Sums in another order may differ in their last bits.
    let reaches = |value: &f64| value.abs() >= observed - 1e-9 * observed.max(1.0);
    // Draws in which the difference is not defined, such as a share of zero items, are left out.
    if moves.gaps.len() <= ENUMERATED {
        let all = 0..1usize << moves.gaps.len();
        let values: Vec<f64> = all.filter_map(|swaps| moves.difference(|place| swaps >> place & 1 == 1)).collect();
        return Some(values.iter().filter(|value| reaches(value)).count() as f64 / values.len() as f64);
    }
    let mut rng = stream(seed, &["swap"]);
    let values: Vec<f64> = (0..DRAWS).filter_map(|_| moves.difference(|_| rng.random::<bool>())).collect();
    Some((values.iter().filter(|value| reaches(value)).count() + 1) as f64 / (values.len() + 1) as f64)
}

/// Changes of the sums of the two arms when groups are swapped, over the columns of all seeds.
struct Moves<'a> {
    pairs: &'a [SwapPair<'a>],
    /// One row for each group in which the arms differ: second arm less first, by column.
    gaps: Vec<Vec<f64>>,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl<'a> Moves<'a> {
    fn new(pairs: &'a [SwapPair<'a>], groups: usize) -> Self {
        let columns = |side: fn(&SwapPair<'a>) -> &'a Statistic| -> Vec<&'a Vec<f64>> {
            pairs.iter().flat_map(|pair| &side(pair).columns).collect()
        };
        let (a, b) = (columns(|pair| pair.0), columns(|pair| pair.1));
        let gap = |group: usize| a.iter().zip(&b).map(|(a, b)| b[group] - a[group]).collect::<Vec<f64>>();
        let gaps = (0..groups).map(gap).filter(|gaps| gaps.iter().any(|gap| *gap != 0.0)).collect();
        let sums = |columns: &[&Vec<f64>]| columns.iter().map(|column| column.iter().sum()).collect();
        Self { pairs, gaps, first: sums(&a), second: sums(&b) }
    }

    /// Sum over seeds of the second arm's value less the first's, with some groups swapped; None where it is
    /// not defined.
    fn difference(&self, mut swapped: impl FnMut(usize) -> bool) -> Option<f64> {
        let (mut first, mut second) = (self.first.clone(), self.second.clone());
        for (place, gaps) in self.gaps.iter().enumerate() {
            if swapped(place) {
                first.iter_mut().zip(gaps).for_each(|(sum, gap)| *sum += gap);
                second.iter_mut().zip(gaps).for_each(|(sum, gap)| *sum -= gap);
            }
        }
        let (mut first, mut second) = (first.as_slice(), second.as_slice());
        let mut difference = 0.0;
        for (a, b) in self.pairs {
            let (own_a, rest_a) = first.split_at(a.columns.len());
            let (own_b, rest_b) = second.split_at(b.columns.len());
            difference += (b.formula)(own_b)? - (a.formula)(own_a)?;
            (first, second) = (rest_a, rest_b);
        }
        Some(difference).filter(|difference| difference.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::paired::sign_flip;

    fn share(right: &[f64]) -> Statistic {
        Statistic {
            columns: vec![right.to_vec(), vec![1.0; right.len()]],
            formula: Box::new(|t| (t[1] > 0.0).then(|| t[0] / t[1])),
        }
    }

    #[test]
    fn of_a_mean_it_is_the_sign_flip_test() {
        let a = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0];
        let b = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0];
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
        assert_eq!(swap(&[(&share(&a), &share(&b))], 8, 0), Some(sign_flip(&differences, 0)));
        // Two seeds with equal answers: the same differences twice as large.
        let pair = (&share(&a), &share(&b));
        assert_eq!(swap(&[pair, pair], 8, 0), Some(sign_flip(&differences, 0)));
    }

    #[test]
    fn seeds_that_disagree_are_no_evidence_and_many_groups_that_agree_are() {
        let (up, down) = ([1.0; 40], [0.0; 40]);
        assert_eq!(swap(&[(&share(&up), &share(&down)), (&share(&down), &share(&up))], 40, 0), Some(1.0));
        assert!(swap(&[(&share(&down), &share(&up))], 40, 0).expect("defined") < 0.001);
        assert_eq!(swap(&[(&share(&[]), &share(&[]))], 0, 0), None, "a share of nothing");
    }
}
