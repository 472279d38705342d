//! Student's t distribution.

use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

/// Returns the quantile at `share` of Student's t with `degrees` degrees of freedom, at least 1; NaN for 0 degrees of
/// freedom. `share` must lie strictly between 0 and 1.
#[must_use]
pub fn quantile(share: f64, degrees: usize) -> f64 {
    let Some(distribution) = distribution(degrees) else { return f64::NAN };
    // The library's quantile has four digits only. Newton's method doubles them in each step.
    let start = distribution.inverse_cdf(share);
    (0..4).fold(start, |t, _| t - (distribution.cdf(t) - share) / distribution.pdf(t))
}

/// Returns the two-sided p-value of `t` under Student's t with `degrees` degrees of freedom, at least 1; NaN for 0
/// degrees of freedom.
#[must_use]
pub fn two_sided(t: f64, degrees: usize) -> f64 {
    distribution(degrees).map_or(f64::NAN, |distribution| (2.0 * distribution.sf(t.abs())).min(1.0))
}

fn distribution(degrees: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, degrees as f64).ok()
}
