//! Text of the numbers in table cells.

use stepwise_benchmark::summary::Estimate;

/// Formats a number with three decimals, and no sign where it rounds to zero; None, a value that is not defined, becomes a
/// dash.
pub fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:.3}", if value.abs() < 5e-4 { 0.0 } else { value }))
}

/// Formats a number with its sign and three decimals; None, a value that is not defined, becomes a dash.
pub fn signed(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:+.3}"))
}

/// Formats a value with three decimals, followed by its 95 % interval if there is one; a dash where it is not defined.
pub fn number_with_interval(estimate: &Estimate) -> String {
    format!("{} {}", number(estimate.value), number_interval(estimate)).trim_end().to_owned()
}

/// Formats the 95 % interval of a value with three decimals; empty without an interval.
pub fn number_interval(estimate: &Estimate) -> String {
    estimate.ci.map_or_else(String::new, |ci| {
        let [low, high] = ci.map(|end| number(Some(end)));
        format!("[{low}, {high}]")
    })
}

/// Formats a difference with its sign and three decimals, followed by its 95 % interval if there is one; a dash where
/// it is not defined.
pub fn with_interval(estimate: &Estimate) -> String {
    match (estimate.value, estimate.ci) {
        (Some(value), Some(ci)) => format!("{value:+.3} {}", interval(ci)),
        (value, _) => signed(value),
    }
}

/// Formats the confidence interval of a difference.
fn interval([low, high]: [f64; 2]) -> String {
    format!("[{low:+.3}, {high:+.3}]")
}

/// Formats a p-value that may not be defined; None becomes a dash.
pub fn p_or_dash(p: Option<f64>) -> String {
    p.map_or_else(|| "-".to_owned(), p_value)
}

/// Formats a p-value with three decimals; a value below 0.001 becomes `<.001`.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "<.001".to_owned() } else { format!("{p:.3}") }
}
