//! Steps of ordered scales. A value near a limit has no certain step, so nothing is asked about it.

/// Returns the number of `limits` that `value` has reached. None where the value lies within `margin` of a limit, as a
/// share of that limit (0.1: 10 %), because a few pixels of the drawn outline would then decide the answer. `limits` are
/// positive and rise.
pub(super) fn clear_step(value: f64, limits: &[f64], margin: f64) -> Option<usize> {
    let is_near = |limit: &f64| (value - limit).abs() < margin * limit;
    let is_clear = !limits.iter().any(is_near);
    is_clear.then(|| limits.iter().filter(|limit| value >= **limit).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_near_a_limit_has_no_step() {
        let of = |value| clear_step(value, &[0.1, 0.2], 0.1);
        assert_eq!([0.0, 0.08, 0.12, 0.17, 0.23, 9.0].map(of), [Some(0), Some(0), Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!([0.092, 0.1, 0.108, 0.185, 0.2, 0.215].map(of), [None; 6]);
    }
}
