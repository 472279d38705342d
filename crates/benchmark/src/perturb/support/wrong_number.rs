//! Wrong numbers near the right one, which a hint can name plausibly.

use rand::Rng;

use crate::perturb::Skip;
use crate::score::number_is_right;

/// Largest distance of a wrong count from the nearest accepted count.
const COUNT_DISTANCE: f64 = 3.0;
/// Least and largest distance of a wrong measurement, as shares of the right value.
const MEASURE_DISTANCE: [f64; 2] = [0.15, 0.4];
/// Number of random draws before the number next to the tolerance is taken.
const DRAWS: usize = 64;

/// Right number with its tolerances, as a case stores it.
#[derive(Clone, Copy, Debug)]
pub struct RightNumber<'a> {
    /// Right number.
    pub gold: f64,
    /// Unit; None for plain numbers.
    pub unit: Option<&'a str>,
    /// Absolute tolerance; None means 0.
    pub abs_tol: Option<f64>,
    /// Relative tolerance as a part of `gold`; None means 0.
    pub rel_tol: Option<f64>,
}

/// Draws a wrong number near the right one, with its sign and its number of decimals. A whole number without a unit is
/// a count: the wrong one lies at most 3 beyond the tolerance. Any other number is a measurement: the wrong one differs
/// by 15 % to 40 % or, where the tolerance is larger, by the tolerance and up to 25 % more. No count is negative, no
/// measurement is 0 unless the right one is, and no percentage exceeds 100.
///
/// # Errors
/// Skips numbers so large that no neighbour can be represented.
pub fn wrong_number(right: RightNumber<'_>, rng: &mut impl Rng) -> Result<f64, Skip> {
    let grid = Grid::new(right);
    let [least, most] = grid.distances();
    for _ in 0..DRAWS {
        let distance = (least + rng.random::<f64>() * (most - least + 1.0)).floor();
        let up = rng.random::<bool>();
        if let Some(wrong) = grid.wrong_at(if up { distance } else { -distance }) {
            return Ok(wrong);
        }
    }
    (0..DRAWS)
        .find_map(|step| grid.wrong_at(least.floor() + step as f64))
        .ok_or(Skip("the tolerance leaves no wrong number near the right one"))
}

/// Numbers with the decimals of the right one, in units of the last decimal.
struct Grid<'a> {
    right: RightNumber<'a>,
    /// Units in 1: 10 to the number of decimals.
    scale: f64,
    /// Absolute value of the right number, in units.
    size: f64,
}

impl<'a> Grid<'a> {
    fn new(right: RightNumber<'a>) -> Self {
        let text = right.gold.to_string();
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let scale = 10f64.powi(i32::try_from(decimals).unwrap_or(i32::MAX));
        Self { right, scale, size: (right.gold.abs() * scale).round() }
    }

    fn is_count(&self) -> bool {
        self.scale == 1.0 && self.right.unit.is_none()
    }

    /// Least and largest distance of the wrong number, in units.
    fn distances(&self) -> [f64; 2] {
        let RightNumber { gold, abs_tol, rel_tol, .. } = self.right;
        let tolerance = abs_tol.unwrap_or(0.0).max(rel_tol.unwrap_or(0.0) * gold.abs()) * self.scale;
        if self.is_count() {
            return [tolerance.floor() + 1.0, tolerance.floor() + COUNT_DISTANCE];
        }
        let [least, most] = MEASURE_DISTANCE.map(|share| share * self.size);
        let start = least.max(tolerance);
        // Small numbers have few neighbours on the grid.
        [start, start + (most - least).max(3.0)]
    }

    /// Returns the number at this signed distance in units; None where it is not a plausible wrong number.
    fn wrong_at(&self, distance: f64) -> Option<f64> {
        let RightNumber { gold, unit, abs_tol, rel_tol } = self.right;
        let units = self.size + distance;
        let least = if self.is_count() || self.size == 0.0 { 0.0 } else { 1.0 };
        let is_percentage = unit.is_some_and(|unit| ["%", "percent"].contains(&unit)) && gold.abs() <= 100.0;
        let wrong = (units / self.scale).copysign(gold);
        let is_plausible = units >= least && !(is_percentage && wrong.abs() > 100.0);
        // A last decimal of 0 would not be written.
        let keeps_decimals = self.scale == 1.0 || units % 10.0 != 0.0;
        (is_plausible && keeps_decimals && !number_is_right(wrong, gold, abs_tol, rel_tol)).then_some(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn drawn(right: RightNumber<'_>, seed: u64) -> f64 {
        wrong_number(right, &mut ChaCha8Rng::seed_from_u64(seed)).expect("a wrong number")
    }

    fn decimals(value: f64) -> usize {
        value.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len())
    }

    proptest! {
        #[test]
        fn a_wrong_count_is_at_most_three_beyond_the_tolerance(
            gold in 0u32..500, tolerance in 0u32..20, share in 0.0f64..0.3, seed in any::<u64>()
        ) {
            let gold = f64::from(gold);
            let tolerance = f64::from(tolerance);
            for (abs_tol, rel_tol) in [(None, None), (Some(tolerance), None), (None, Some(share))] {
                let wrong = drawn(RightNumber { gold, unit: None, abs_tol, rel_tol }, seed);
                let accepted = abs_tol.unwrap_or(0.0).max(rel_tol.unwrap_or(0.0) * gold);
                let distance = (wrong - gold).abs();
                prop_assert!(wrong >= 0.0 && wrong.fract() == 0.0, "{}", wrong);
                prop_assert!(distance > accepted && distance <= accepted + 3.0, "{} for {}", wrong, gold);
            }
        }

        #[test]
        fn a_wrong_measurement_is_near_and_keeps_sign_and_decimals(
            units in 20i32..100_000, places in 0i32..4, minus in any::<bool>(), share in 0.0f64..0.1, seed in any::<u64>()
        ) {
            let gold = f64::from(units) / 10f64.powi(places) * if minus { -1.0 } else { 1.0 };
            let right = RightNumber { gold, unit: Some("mm"), abs_tol: None, rel_tol: Some(share) };
            let wrong = drawn(right, seed);
            prop_assert!(!number_is_right(wrong, gold, None, Some(share)));
            prop_assert_eq!((wrong.signum(), decimals(wrong)), (gold.signum(), decimals(gold)));
            let distance = (wrong - gold).abs() / gold.abs();
            // One unit of the last decimal is at most 5 % of these numbers.
            prop_assert!((0.1..=0.45).contains(&distance), "{} for {}", wrong, gold);
        }

        #[test]
        fn a_wrong_percentage_is_at_most_a_hundred(gold in 0u32..=100, seed in any::<u64>()) {
            let gold = f64::from(gold);
            let wrong = drawn(RightNumber { gold, unit: Some("percent"), abs_tol: Some(2.0), rel_tol: None }, seed);
            prop_assert!((0.0..=100.0).contains(&wrong) && (wrong - gold).abs() > 2.0, "{} for {}", wrong, gold);
        }
    }

    #[test]
    fn a_tolerance_beyond_all_shares_is_left_behind_and_both_directions_occur() {
        let right = RightNumber { gold: 4.5, unit: Some("mm"), abs_tol: Some(3.0), rel_tol: None };
        let wrong: Vec<f64> = (0..50).map(|seed| drawn(right, seed)).collect();
        assert!(wrong.iter().all(|wrong| (wrong - 4.5).abs() > 3.0 && *wrong > 0.0), "{wrong:?}");
        assert!(wrong.iter().any(|wrong| *wrong < 4.5) && wrong.iter().any(|wrong| *wrong > 4.5), "{wrong:?}");
    }

    #[test]
    fn a_number_without_representable_neighbours_is_skipped() {
        let right = RightNumber { gold: 1e300, unit: None, abs_tol: None, rel_tol: None };
        assert!(wrong_number(right, &mut ChaCha8Rng::seed_from_u64(1)).is_err());
    }
}
