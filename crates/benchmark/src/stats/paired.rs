//! Tests between two models on the same items.

use rand::Rng;
use stepwise_data::random::stream;

/// Returns the p-value of McNemar's exact two-sided test. `only_first` and `only_second` count the pairs that only one
/// of the two models got right. Under the null hypothesis each of these pairs is equally likely to be of either kind.
/// The test treats items as independent.
#[must_use]
pub fn mcnemar_exact(only_first: usize, only_second: usize) -> f64 {
    let (count, fewer) = (only_first + only_second, only_first.min(only_second));
    // Binomial probabilities by their ratios, in logarithms so that large counts do not underflow.
    let mut log_choose = 0.0;
    let mut tail = 0.0;
    for k in 0..=fewer {
        if k > 0 {
            log_choose += ((count - k + 1) as f64).ln() - (k as f64).ln();
        }
        tail += (log_choose - count as f64 * std::f64::consts::LN_2).exp();
    }
    (2.0 * tail).min(1.0)
}

/// Largest number of differing clusters for which all signs are enumerated; with more clusters, signs are drawn.
const ENUMERATED: usize = 16;

/// Number of draws of the sign-flip test with more clusters than [`ENUMERATED`].
const DRAWS: usize = 10_000;

/// Returns the p-value of the cluster-level sign-flip test, two-sided on the absolute sum. `differences` holds one
/// summed difference per cluster; under the null hypothesis each is equally likely with either sign. The test is exact
/// up to 16 clusters that differ. With more clusters it takes 10,000 seeded draws, and the observed signs count as one
/// of them, so the p-value is never zero.
#[must_use]
pub fn sign_flip(differences: &[f64], seed: u64) -> f64 {
    let differing: Vec<f64> = differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    let observed = differing.iter().sum::<f64>().abs();
    // Sums in another order may differ in their last bits.
    let reaches = |sum: f64| sum.abs() >= observed - 1e-9 * observed.max(1.0);
    if differing.len() <= ENUMERATED {
        let all = 1usize << differing.len();
        let extreme = (0..all)
            .filter(|signs| {
                reaches(differing.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { *d } else { -d }).sum())
            })
            .count();
        return extreme as f64 / all as f64;
    }
    let mut rng = stream(seed, &["sign_flip"]);
    let extreme = (0..DRAWS)
        .filter(|_| reaches(differing.iter().map(|d| if rng.random::<bool>() { *d } else { -d }).sum()))
        .count();
    (extreme + 1) as f64 / (DRAWS + 1) as f64
}
