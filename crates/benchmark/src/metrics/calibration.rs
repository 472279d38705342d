//! Calibration: whether the probabilities of the options are the shares in which they are right.

use super::metric::{Better, Metric, share};
use super::outcome_table::{ClusterSums, ItemRow, OutcomeTable, one_if};
use crate::stats::Sampling;

/// Number of bins of the expected calibration error, of equal width in confidence.
const BINS: usize = 15;

/// Returns three metrics of the clean choices and yes/no questions that have exactly one right option, from the
/// probabilities `p` that the softmax over the options shown gives ([`Outcome::probabilities`]); the *confidence* is the
/// largest of them, and its option is the predicted one:
///
/// - `brier_score`: mean of `sum_k (p_k - y_k)^2`, where `y_k` is 1 for the right option and else 0 (Brier, 1950); from
///   0, sure and right, to 2, sure and wrong;
/// - `overconfidence`: mean confidence less the share of predicted options that are right, -1 to 1; 0 is calibrated;
/// - `calibration_error`: the expected calibration error, `sum_b |sum over the items in bin b of (right - confidence)| /
///   n` over 15 bins of equal width, `((b - 1) / 15, b / 15]` (Guo et al., 2017). It has no interval: its bias in small
///   samples, which is always upwards, is as large as its spread (Kumar, Liang and Ma, 2019).
///
/// Items whose answers are generated have no probabilities and are left out. Without items a metric is not defined.
///
/// [`Outcome::probabilities`]: crate::outcome::Outcome::probabilities
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let errors = table.sums(|row| {
        let prediction = Prediction::of(row)?;
        // The last column counts items.
        let mut sums = [0.0; BINS + 1];
        sums[prediction.bin()] = prediction.right - prediction.confidence;
        sums[BINS] = 1.0;
        Some(sums)
    });
    let error = Metric::new(
        "calibration_error",
        "expected calibration error of the option probabilities (15 bins)",
        Better::Lower,
        ClusterSums { sampling: Sampling::Unknown, ..errors },
        |t| share(t[..BINS].iter().map(|sum| sum.abs()).sum(), t[BINS]),
    );
    vec![
        Metric::mean(
            "brier_score",
            "Brier score of the option probabilities (0 to 2)",
            Better::Lower,
            table.sums(|row| Some([Prediction::of(row)?.brier, 1.0])),
        )
        .within(0.0, 2.0),
        Metric::mean_difference(
            "overconfidence",
            "overconfidence (mean probability of the likeliest option less its accuracy)",
            Better::Neither,
            table.sums(|row| Prediction::of(row).map(|found| [found.confidence - found.right, 1.0])),
        ),
        error.within(0.0, 1.0),
    ]
}

/// Predicted option of one item.
struct Prediction {
    /// Probability of the likeliest option, 0 to 1.
    confidence: f64,
    /// 1 where the likeliest option is right, else 0.
    right: f64,
    brier: f64,
}

impl Prediction {
    /// None without probabilities, or without exactly one right option. Of equally likely options the first counts.
    fn of(row: &ItemRow<'_>) -> Option<Self> {
        let outcome = row.clean()?;
        let &[gold] = outcome.right_scores.as_slice() else { return None };
        let probabilities = outcome.probabilities()?;
        let mut likeliest = 0;
        for (place, probability) in probabilities.iter().enumerate() {
            if *probability > probabilities[likeliest] {
                likeliest = place;
            }
        }
        let square = |(place, p): (usize, &f64)| (p - one_if(place == gold)).powi(2);
        Some(Self {
            confidence: probabilities[likeliest],
            right: one_if(likeliest == gold),
            brier: probabilities.iter().enumerate().map(square).sum(),
        })
    }

    /// Number of the bin, from 0. Bins are open below and closed above.
    fn bin(&self) -> usize {
        ((self.confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1
    }
}
