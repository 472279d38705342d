//! Tests of one respondent against another on the same items.

use rand::Rng;
use stepwise_data::random::stream;

/// McNemar's exact two-sided test: `only_first` and `only_second` count the pairs that just one of the two got right;
/// under the null they split like fair coins. Treats items as independent.
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

/// Above this many differing clusters, signs are drawn instead of enumerated.
const ENUMERATED: usize = 16;

/// Draws of the sign-flip test beyond that.
const DRAWS: usize = 10_000;

/// The cluster-level sign-flip test: `differences` holds one summed difference a cluster; under the null each is as likely
/// with either sign. Two-sided on the absolute sum; exact up to 16 clusters that differ, else from 10,000 seeded draws,
/// where the observed signs count as one of them (so the p-value is never zero).
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
