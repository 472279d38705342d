//! The logistic loss.

/// Returns `-log sigmoid(x)` and its derivative, `-sigmoid(-x)`. Both are finite for every finite `x`.
pub(crate) fn logistic_loss(x: f64) -> (f64, f64) {
    // With e = exp(-|x|), at most 1, nothing overflows.
    let e = (-x.abs()).exp();
    let loss = e.ln_1p() + (-x).max(0.0);
    let derivative = if x >= 0.0 { -e / (1.0 + e) } else { -1.0 / (1.0 + e) };
    (loss, derivative)
}
