//! A metric of one model, and the sums that several sets of metrics share.

use super::outcome_table::{ClusterSums, OutcomeTable};
use crate::stats::Statistic;

/// Direction of improvement of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
    /// No direction is better: the metric only describes.
    Neither,
}

/// A metric of one model, without its interval.
pub struct Metric {
    /// Machine-readable id; conditions and stages follow after a colon.
    pub id: String,
    /// Label shown to people.
    pub label: String,
    /// Direction of improvement.
    pub better: Better,
    /// Number of items (for chains: cases) in the metric.
    pub n: usize,
    /// Statistic that computes the metric from sums over cells of patients and questions.
    pub statistic: Statistic,
}

impl Metric {
    /// Creates a metric that `formula` computes from the sums of `N` columns.
    pub fn new<const N: usize>(
        id: impl Into<String>,
        label: impl Into<String>,
        better: Better,
        sums: ClusterSums<N>,
        formula: impl Fn(&[f64]) -> Option<f64> + Send + Sync + 'static,
    ) -> Self {
        let statistic = Statistic::new(sums.columns.into(), formula).sampled(sums.sampling);
        Self { id: id.into(), label: label.into(), better, n: sums.n, statistic }
    }

    /// Creates a mean of values from 0 to 1: the sum of the first column over the sum of the second, not defined where
    /// the second sum is 0.
    pub fn mean(id: impl Into<String>, label: impl Into<String>, better: Better, sums: ClusterSums<2>) -> Self {
        Self::new(id, label, better, sums, |t| share(t[0], t[1])).within(0.0, 1.0)
    }

    /// Creates a mean of values from -1 to 1, such as differences between two conditions, otherwise as
    /// [`mean`](Self::mean).
    pub fn mean_difference(
        id: impl Into<String>,
        label: impl Into<String>,
        better: Better,
        sums: ClusterSums<2>,
    ) -> Self {
        Self::mean(id, label, better, sums).within(-1.0, 1.0)
    }

    /// Sets the least and the largest value that the metric can take.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { statistic: self.statistic.within(low, high), ..self }
    }

    /// Returns the difference of a metric between two models, `tuned` less `base`, whose interval is the interval of
    /// the paired difference; `n` is the smaller of the two.
    #[must_use]
    pub fn difference(tuned: Self, base: Self) -> Self {
        Self { n: tuned.n.min(base.n), statistic: tuned.statistic.less(base.statistic), ..tuned }
    }
}

/// Part over whole; None where the whole is 0.
pub(crate) fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Sums for the mean per-item difference of condition `c` less `reference`, on the items evaluated under both. Columns:
/// sum of differences, items.
pub(super) fn paired(table: &OutcomeTable<'_>, c: usize, reference: usize) -> ClusterSums<2> {
    table.sums(|row| Some([row.right(c)? - row.right(reference)?, 1.0]))
}
