//! Tests between two models on the same items.

/// Returns the p-value of McNemar's exact two-sided test on the items that two models answered. `only_first` and
/// `only_second` count the items that only one of the two got right. Under the null hypothesis each of these items is
/// equally likely to be of either kind. 1 without such items. The test treats items as independent.
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
