//! Vertical axis of learning rates.

use super::plot::steps;

/// Vertical axis of learning rates, in units of a power of ten, so that labels are short for every rate.
pub struct RateScale {
    /// Unit of the axis, a power of ten: a rate is drawn at `rate / unit`.
    pub unit: f64,
    /// Ticks, as value in this unit and label; the first is 0.
    pub ticks: Vec<(f64, String)>,
    /// Name of the axis.
    pub name: String,
}

impl RateScale {
    /// Makes an axis from 0 to the largest of `rates`. Rates that are not finite are ignored; without positive rates
    /// the axis is arbitrary.
    pub fn new(rates: &[f64]) -> Self {
        let most = rates.iter().copied().filter(|rate| rate.is_finite()).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let power = most.log10().floor() as i32;
        let unit = 10f64.powi(power);
        let ticks = steps(0.0, most / unit, 4.0).into_iter().map(|value| (value, short(value))).collect();
        Self { unit, ticks, name: format!("learning rate, 1e{power}").replace('-', "\u{2212}") }
    }

    /// Returns the value of the largest tick, in the unit of the axis.
    pub fn top(&self) -> f64 {
        self.ticks.last().map_or(1.0, |(value, _)| *value)
    }
}

/// Formats `value` with at most three decimals, without trailing zeros.
pub fn short(value: f64) -> String {
    ((value * 1000.0).round() / 1000.0).to_string()
}
