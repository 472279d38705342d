//! Ranks of models where differences are sure.

use super::Better;
use super::column::Pair;

/// Returns the best and the worst rank of each model. A model is surely better than another one where a claim may rest
/// on their difference ([`Estimate::is_clear`](crate::summary::Estimate::is_clear), with p adjusted over all pairs). The
/// best rank is 1 plus the number of models that are surely better; the worst rank is the number of models with a value
/// less the number of models that are surely worse. `is_defined` says which models have a value; the others have no
/// rank, and no model has one where no direction is an improvement.
pub(super) fn ranks(better: Better, is_defined: &[bool], pairs: &[Pair]) -> Vec<Option<[usize; 2]>> {
    let (mut ahead, mut behind) = (vec![0; is_defined.len()], vec![0; is_defined.len()]);
    for Pair { a, b, difference } in pairs.iter().filter(|pair| pair.difference.is_clear()) {
        let is_larger = difference.value.is_some_and(|value| value > 0.0);
        let (winner, loser) = if is_larger == (better == Better::Higher) { (*b, *a) } else { (*a, *b) };
        ahead[loser] += 1;
        behind[winner] += 1;
    }
    let count = is_defined.iter().filter(|is_defined| **is_defined).count();
    let rank = |(place, is_defined): (usize, &bool)| {
        (*is_defined && better != Better::Neither).then(|| [1 + ahead[place], count - behind[place]])
    };
    is_defined.iter().enumerate().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Estimate;

    fn pair(a: usize, b: usize, value: f64, p_adjusted: f64) -> Pair {
        let ci = Some([value - 0.01, value + 0.01]);
        let p = Some(p_adjusted / 3.0);
        let difference = Estimate { value: Some(value), ci, n: 99, p, p_adjusted: Some(p_adjusted), clusters: 20 };
        Pair { a, b, difference }
    }

    #[test]
    fn a_rank_is_one_plus_the_number_of_models_that_are_surely_better() {
        // The third model is surely better than the first; the second cannot be told from either.
        let pairs = [pair(0, 1, 0.1, 0.2), pair(0, 2, 0.3, 0.01), pair(1, 2, 0.2, 0.06)];
        let of = |better| ranks(better, &[true; 3], &pairs);
        assert_eq!(of(Better::Higher), [Some([2, 3]), Some([1, 3]), Some([1, 2])]);
        assert_eq!(of(Better::Lower), [Some([1, 2]), Some([1, 3]), Some([2, 3])]);
        assert_eq!(of(Better::Neither), [None; 3]);
    }

    #[test]
    fn models_without_a_value_have_no_rank_and_no_part_in_the_others() {
        let pairs = [pair(0, 2, -0.3, 0.001)];
        assert_eq!(ranks(Better::Higher, &[true, false, true], &pairs), [Some([1, 1]), None, Some([2, 2])]);
        let few = Estimate { clusters: 7, ..pairs[0].difference };
        let pairs = [Pair { difference: few, ..pairs[0].clone() }];
        assert_eq!(ranks(Better::Higher, &[true, false, true], &pairs), [Some([1, 2]), None, Some([1, 2])]);
    }
}
