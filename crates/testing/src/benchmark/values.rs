//! Metrics of a summary, compared with known values.

use stepwise_benchmark::summary::Summary;

/// Returns a metric's value. Panics when it is undefined.
#[must_use]
#[track_caller]
pub fn value(summary: &Summary, id: &str) -> f64 {
    summary.estimate(id).and_then(|estimate| estimate.value).unwrap_or_else(|| panic!("{id} is not defined"))
}

/// Asserts a metric's value within 1e-12.
#[track_caller]
pub fn expect(summary: &Summary, id: &str, expected: f64) {
    let found = value(summary, id);
    assert!((found - expected).abs() < 1e-12, "{id} is {found}, expected {expected}");
}

/// Asserts the values of several metrics as [`expect`] does.
#[track_caller]
pub fn expect_all(summary: &Summary, expected: &[(&str, f64)]) {
    for (id, expected) in expected {
        expect(summary, id, *expected);
    }
}

/// Asserts that a metric has no value.
#[track_caller]
pub fn expect_undefined(summary: &Summary, id: &str) {
    let found = summary.estimate(id).expect("the metric exists").value;
    assert!(found.is_none(), "{id} is {found:?}, expected none");
}
