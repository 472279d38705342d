//! Confidence intervals of a single rate whose trials are independent.

/// 0.975 quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Returns Wilson's 95 % score interval (1927) of the rate `successes / trials`, `[low, high]`. None without trials.
/// `successes` must not exceed `trials`.
#[must_use]
pub fn wilson(successes: usize, trials: usize) -> Option<[f64; 2]> {
    if trials == 0 {
        return None;
    }
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Some([((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0)])
}

/// Returns the upper 95 % bound of a rate when no event was seen in `trials` independent trials: the rate at which no
/// event in `n` trials has a probability of 5 %, `1 - 0.05^(1/n)`, about `3/n`. None without trials.
#[must_use]
pub fn rule_of_three(trials: usize) -> Option<f64> {
    (trials > 0).then(|| 1.0 - 0.05f64.powf(1.0 / trials as f64))
}
