//! Metrics of a summary, compared with known values.

use stepwise_benchmark::summary::Summary;

/// Returns the value of the metric `id` in a summary.
///
/// # Panics
/// When the summary has no such metric, or the metric is undefined.
#[must_use]
#[track_caller]
pub fn value(summary: &Summary, id: &str) -> f64 {
    summary.estimate(id).and_then(|estimate| estimate.value).unwrap_or_else(|| panic!("{id} is not defined"))
}

/// Asserts that the metric `id` has the value `expected` within 1e-12.
///
/// # Panics
/// When it does not, or the metric is missing or undefined.
#[track_caller]
pub fn expect(summary: &Summary, id: &str, expected: f64) {
    let found = value(summary, id);
    assert!((found - expected).abs() < 1e-12, "{id} is {found}, expected {expected}");
}

/// Asserts the values of several metrics, pairs of id and value, each as [`expect`] does.
///
/// # Panics
/// When a metric has another value, is missing or undefined.
#[track_caller]
pub fn expect_all(summary: &Summary, expected: &[(&str, f64)]) {
    for (id, expected) in expected {
        expect(summary, id, *expected);
    }
}

/// Asserts that the metric `id` is in the summary and has no value.
///
/// # Panics
/// When it is missing or has a value.
#[track_caller]
pub fn expect_undefined(summary: &Summary, id: &str) {
    let found = summary.estimate(id).expect("the metric exists").value;
    assert!(found.is_none(), "{id} is {found:?}, expected none");
}
