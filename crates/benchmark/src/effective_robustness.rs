//! Effective robustness: accuracy under an attack beyond the accuracy that clean accuracy predicts.

use serde::{Deserialize, Serialize};

use crate::summary::Summary;

/// Line of attacked against clean accuracy, fitted to reference points on the logit scale, where such lines are
/// straight (Taori et al., 2020; Miller et al., 2021). The effective robustness of a model is its height above the
/// line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobustnessLine {
    /// Change of the attacked log-odds per unit of clean log-odds.
    pub slope: f64,
    /// Attacked log-odds where the clean log-odds are zero.
    pub intercept: f64,
}

/// Clean and attacked accuracy of one model: a point of the plane in which a [`RobustnessLine`] lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RobustnessPoint {
    /// Accuracy on clean questions, 0 to 1.
    pub clean: f64,
    /// Accuracy under the attack, 0 to 1.
    pub attacked: f64,
    /// Number of items in the smaller of the two denominators; shares of 0 and 1 are moved inwards by half an item.
    pub n: usize,
}

impl RobustnessPoint {
    /// Reads clean accuracy and accuracy under the condition with id `condition` from a summary. None where the summary
    /// lacks one of them or it has no value.
    #[must_use]
    pub fn of(summary: &Summary, condition: &str) -> Option<Self> {
        let clean = summary.estimate("accuracy:clean")?;
        let attacked = summary.estimate(&format!("accuracy:{condition}"))?;
        Some(Self { clean: clean.value?, attacked: attacked.value?, n: clean.n.min(attacked.n) })
    }

    /// Reads the points of the reference models to which a line is fitted, in their order. `attack` is the id of a
    /// condition; models without both accuracies are left out.
    #[must_use]
    pub fn all(reference: &[&Summary], attack: &str) -> Vec<Self> {
        reference.iter().filter_map(|summary| Self::of(summary, attack)).collect()
    }

    /// Log-odds of clean and attacked accuracy, clean first.
    fn logits(self) -> [f64; 2] {
        let edge = 0.5 / self.n.max(1) as f64;
        [self.clean, self.attacked].map(|share| logit(share.clamp(edge, 1.0 - edge)))
    }
}

/// Computes the log-odds, `ln(share / (1 - share))`, of a share strictly between 0 and 1; infinite or NaN for other
/// values.
#[must_use]
pub fn logit(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

impl RobustnessLine {
    /// Smallest number of reference points to which a line is fitted; through two points a line always fits.
    pub const FEWEST: usize = 3;

    /// Fits the line of accuracy under the condition with id `attack` against clean accuracy to the summaries of the
    /// reference models. Models without both accuracies are left out.
    ///
    /// # Errors
    /// The reason why no line can be used: there are fewer than [`Self::FEWEST`] models with both accuracies; the 95 %
    /// intervals of the lowest and the highest clean accuracy overlap, so that the direction of the line is unknown; or
    /// the line does not rise.
    pub fn of(reference: &[&Summary], attack: &str) -> Result<Self, String> {
        let points = RobustnessPoint::all(reference, attack);
        if points.len() < Self::FEWEST {
            return Err(format!(
                "the reference has {} evaluated models, and a line needs {}",
                points.len(),
                Self::FEWEST
            ));
        }
        let intervals = || reference.iter().filter_map(|summary| summary.estimate("accuracy:clean")?.ci);
        let lowest = intervals().map(|[_, high]| high).fold(f64::INFINITY, f64::min);
        let highest = intervals().map(|[low, _]| low).fold(f64::NEG_INFINITY, f64::max);
        let line = Self::fit(&points).filter(|_| lowest < highest);
        let line =
            line.ok_or("the clean accuracies of the reference do not clearly differ: their intervals overlap")?;
        if line.slope <= 0.0 {
            return Err(format!("the slope of the line, {:.2}, is not above 0", line.slope));
        }
        Ok(line)
    }

    /// Fits a line to `points` by least squares of the attacked log-odds. The points should be epochs without unusual
    /// robustness, such as epochs of runs trained on all stages shuffled. None with fewer than two different clean
    /// accuracies.
    #[must_use]
    pub fn fit(points: &[RobustnessPoint]) -> Option<Self> {
        let logits: Vec<[f64; 2]> = points.iter().map(|point| point.logits()).collect();
        let count = logits.len() as f64;
        let mean = |place: usize| logits.iter().map(|point| point[place]).sum::<f64>() / count;
        let (x, y) = (mean(0), mean(1));
        let spread: f64 = logits.iter().map(|point| (point[0] - x).powi(2)).sum();
        let together: f64 = logits.iter().map(|point| (point[0] - x) * (point[1] - y)).sum();
        let slope = together / spread;
        // Clean accuracies that differ only by rounding give no direction.
        (spread > 1e-12 * count).then_some(Self { slope, intercept: y - slope * x })
    }

    /// Returns the effective robustness of a model: the attacked log-odds of `point` less those of the line at its
    /// clean accuracy. Above zero the model is more robust than its clean accuracy explains.
    #[must_use]
    pub fn residual(&self, point: RobustnessPoint) -> f64 {
        let [clean, attacked] = point.logits();
        attacked - (self.intercept + self.slope * clean)
    }

    /// Returns the accuracy under the attack, 0 to 1, that the line predicts at the clean accuracy `clean`, strictly
    /// between 0 and 1; NaN for values outside 0 to 1.
    #[must_use]
    pub fn expected(&self, clean: f64) -> f64 {
        1.0 / (1.0 + (-(self.intercept + self.slope * logit(clean))).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point with the given log-odds.
    fn point(clean: f64, attacked: f64) -> RobustnessPoint {
        let share = |logit: f64| 1.0 / (1.0 + (-logit).exp());
        RobustnessPoint { clean: share(clean), attacked: share(attacked), n: 1_000_000 }
    }

    #[test]
    fn points_on_a_line_have_no_residual_and_one_above_it_has_its_height() {
        let on: Vec<RobustnessPoint> = [-1.0, 0.0, 0.5, 2.0].map(|clean| point(clean, 0.8 * clean - 0.7)).to_vec();
        let line = RobustnessLine::fit(&on).expect("different clean accuracies");
        assert!((line.slope - 0.8).abs() < 1e-9 && (line.intercept + 0.7).abs() < 1e-9, "{line:?}");
        assert!(on.iter().all(|point| line.residual(*point).abs() < 1e-9));
        assert!((line.residual(point(1.5, 0.8 * 1.5 - 0.7 + 0.4)) - 0.4).abs() < 1e-9);
        let promised = line.expected(point(1.5, 0.0).clean);
        assert!((logit(promised) - (0.8 * 1.5 - 0.7)).abs() < 1e-9, "{promised}");
    }

    #[test]
    fn one_clean_accuracy_makes_no_trend_and_a_perfect_share_no_infinity() {
        assert_eq!(RobustnessLine::fit(&[]), None);
        assert_eq!(RobustnessLine::fit(&[point(0.3, 0.1), point(0.3, 0.2)]), None);
        let edge = RobustnessPoint { clean: 1.0, attacked: 0.0, n: 10 };
        let line = RobustnessLine::fit(&[edge, point(0.0, 0.0)]).expect("a line");
        // Half an item of ten: log-odds of 19 to 1.
        assert!((line.slope + 1.0).abs() < 1e-9 && line.intercept.abs() < 1e-9, "{line:?}");
    }
}
