//! Waiting times between attempts.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// Returns the wait before attempt `attempt` (2 for the first repetition) of the request `key`: doubled with every
/// attempt from `first`, at most `longest`, and of that a drawn share between one half and all, so that requests that
/// failed together do not come back together. The draw depends on key and attempt only.
#[must_use]
pub(super) fn wait(key: &str, attempt: u32, first: Duration, longest: Duration) -> Duration {
    let doublings = attempt.saturating_sub(2).min(16);
    let whole = first.saturating_mul(1 << doublings).min(longest);
    let draw = Sha256::digest(format!("{key} {attempt}"));
    whole.mul_f64(0.5 + f64::from(draw[0]) / 510.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ_between_requests() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_millis(1000));
        for attempt in 2..40 {
            let whole = first.as_millis() as f64 * 2f64.powi(attempt - 2);
            let whole = whole.min(1000.0);
            let waited = wait("key", attempt as u32, first, longest).as_secs_f64() * 1000.0;
            assert!((0.5 * whole - 1e-6..=whole + 1e-6).contains(&waited), "{attempt}: {waited} of {whole}");
        }
        assert_ne!(wait("a", 3, first, longest), wait("b", 3, first, longest));
        assert_eq!(wait("a", 3, first, longest), wait("a", 3, first, longest));
    }
}
