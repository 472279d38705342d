//! Choices decided by letters. A model prefers some letters regardless of the options, so a single order of the options
//! would score the letters and not the options. The probability of each option is therefore averaged over orders in
//! which it has different letters, such as the cyclic permutations of Zheng et al. (2024), "Large language models are
//! not robust multiple choice selectors".

use rand::seq::SliceRandom;

use crate::model::{OptionLikelihood, Response};
use crate::rng::SuiteRng;

/// Returns the orders in which the options `shown` (stored indices) are presented to the model; the first is the order
/// shown. Where `permutations` is None these are all rotations, otherwise that many different orders (at least one),
/// drawn from `rng` by `case_id` and `item_id`, or all orders where there are fewer. They do not depend on the
/// condition, so a condition and its control use the same orders. One empty order where `shown` is empty.
#[must_use]
pub fn orders(
    shown: &[usize],
    permutations: Option<usize>,
    rng: SuiteRng,
    case_id: &str,
    item_id: &str,
) -> Vec<Vec<usize>> {
    let Some(wanted) = permutations else {
        return (0..shown.len().max(1)).map(|shift| rotated(shown, shift)).collect();
    };
    let all = (1..=shown.len()).try_fold(1usize, |product, factor| product.checked_mul(factor)).unwrap_or(usize::MAX);
    let mut rng = rng.stream("letter_order", &[case_id, item_id]);
    // Positions are drawn, so that the draw does not depend on the options at these positions.
    let mut places: Vec<usize> = (0..shown.len()).collect();
    let mut drawn = vec![places.clone()];
    while drawn.len() < wanted.min(all) {
        places.shuffle(&mut rng);
        if !drawn.contains(&places) {
            drawn.push(places.clone());
        }
    }
    drawn.into_iter().map(|order| order.into_iter().map(|place| shown[place]).collect()).collect()
}

fn rotated(shown: &[usize], shift: usize) -> Vec<usize> {
    shown.iter().cycle().skip(shift).take(shown.len()).copied().collect()
}

/// Combines the responses to several orders of the options into one. `orders` and `replies` correspond by index, and an
/// order lists stored indices. Returns, for each option in the order shown first, the logarithm of its mean probability
/// among the letters; the probabilities of the letters, each with the end of its turn, sum to 1 within one order. All
/// scores are NaN where a response does not consist of one score per letter; there are no scores without orders. Orders
/// without a response are ignored.
#[must_use]
pub fn averaged(orders: &[Vec<usize>], replies: &[Response]) -> Response {
    let Some(first) = orders.first() else { return Response::Options(Vec::new()) };
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); first.len()];
    for (order, reply) in orders.iter().zip(replies) {
        let probabilities = match reply {
            Response::Options(scores) if scores.len() == order.len() => softmax(scores),
            _ => vec![f64::NAN; order.len()],
        };
        for (stored, probability) in order.iter().zip(probabilities) {
            if let Some(place) = first.iter().position(|index| index == stored) {
                found[place].push(probability);
            }
        }
    }
    let score = |mut probabilities: Vec<f64>| {
        // Sorted, so that equal sets have equal sums and a tie stays a tie.
        probabilities.sort_unstable_by(f64::total_cmp);
        let mean = probabilities.iter().sum::<f64>() / probabilities.len() as f64;
        OptionLikelihood { loglikelihood: mean.ln(), tokens: 1 }
    };
    Response::Options(found.into_iter().map(score).collect())
}

fn softmax(scores: &[OptionLikelihood]) -> Vec<f64> {
    let largest = scores.iter().map(|score| score.loglikelihood).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score.loglikelihood - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DRAWS: SuiteRng = SuiteRng { seed: 1, version: 1 };

    fn letters(likelihoods: &[f64]) -> Response {
        let score = |likelihood: &f64| OptionLikelihood { loglikelihood: likelihood.ln(), tokens: 1 };
        Response::Options(likelihoods.iter().map(score).collect())
    }

    #[test]
    fn rotations_put_every_option_under_every_letter_once() {
        assert_eq!(orders(&[2, 0, 1], None, DRAWS, "c", "q"), [vec![2, 0, 1], vec![0, 1, 2], vec![1, 2, 0]]);
    }

    #[test]
    fn a_taste_for_a_letter_averages_out_and_what_is_left_is_the_option() {
        // P = (0.6, 0.3, 0.1) for the positions, whatever their options: every option gets 1/3.
        let rotations = orders(&[0, 1, 2], None, DRAWS, "c", "q");
        let blind = vec![letters(&[0.6, 0.3, 0.1]); 3];
        let Response::Options(scores) = averaged(&rotations, &blind) else { panic!("scores") };
        assert!(scores.iter().all(|score| (score.loglikelihood - (1.0f64 / 3.0).ln()).abs() < 1e-12), "{scores:?}");
        // Option 1 is likelier in every position: 0.5 instead of 0.3 under B, and so on.
        let seeing = [letters(&[0.45, 0.5, 0.05]), letters(&[0.8, 0.15, 0.05]), letters(&[0.5, 0.2, 0.3])];
        let Response::Options(scores) = averaged(&rotations, &seeing) else { panic!("scores") };
        let shares: Vec<f64> = scores.iter().map(|score| score.loglikelihood.exp()).collect();
        // Option 0 under A, C, B; option 1 under B, A, C; option 2 under C, B, A.
        for (share, expected) in shares.iter().zip([(0.45 + 0.05 + 0.2) / 3.0, 1.6 / 3.0, (0.05 + 0.15 + 0.5) / 3.0]) {
            assert!((share - expected).abs() < 1e-12, "{shares:?}");
        }
    }

    #[test]
    fn a_broken_reply_to_one_order_breaks_the_answer() {
        let rotations = orders(&[0, 1], None, DRAWS, "c", "q");
        for broken in [letters(&[1.0]), Response::Text("A".into()), letters(&[f64::NAN, 0.5])] {
            let Response::Options(scores) = averaged(&rotations, &[letters(&[0.9, 0.1]), broken]) else {
                panic!("scores")
            };
            assert!(scores.iter().all(|score| score.loglikelihood.is_nan()));
        }
    }

    proptest! {
        #[test]
        fn drawn_orders_differ_start_as_shown_and_hold_the_options_shown(
            count in 1usize..6, wanted in 1usize..30, seed in any::<u64>()
        ) {
            let shown: Vec<usize> = (0..count).rev().collect();
            let drawn = orders(&shown, Some(wanted), SuiteRng { seed, version: 1 }, "c", "q");
            prop_assert_eq!(drawn.len(), wanted.min((1..=count).product()));
            prop_assert_eq!(&drawn[0], &shown);
            for (place, order) in drawn.iter().enumerate() {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                prop_assert_eq!(sorted, (0..count).collect::<Vec<_>>());
                prop_assert!(!drawn[..place].contains(order));
            }
        }
    }
}
