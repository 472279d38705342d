//! A metric of one model, and the sums that several sets of metrics share.

use super::outcome_table::{ClusterSums, OutcomeTable};
use crate::stats::Statistic;

/// Direction of a metric's values that is an improvement.
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

/// A metric of one model as a statistic, before its value, interval and test are computed.
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
    /// Creates a metric whose value `formula` computes from the sums of the `N` columns of `sums` over all cells; None
    /// from `formula` means that the value is not defined. Number of items and clustering are those of `sums`. The
    /// range is unknown until [`within`](Self::within).
    pub fn new<const N: usize>(
        id: impl Into<String>,
        label: impl Into<String>,
        better: Better,
        sums: ClusterSums<N>,
        formula: impl Fn(&[f64]) -> Option<f64> + Send + Sync + 'static,
    ) -> Self {
        let statistic =
            Statistic::new(sums.columns.into(), formula).sampled(sums.sampling).over_sentences(sums.by_sentence);
        Self { id: id.into(), label: label.into(), better, n: sums.n, statistic }
    }

    /// Creates a mean of values from 0 to 1: the sum of the first column over the sum of the second, not defined where
    /// the second is 0. The values are not checked.
    pub fn mean(id: impl Into<String>, label: impl Into<String>, better: Better, sums: ClusterSums<2>) -> Self {
        Self::new(id, label, better, sums, |t| share(t[0], t[1])).within(0.0, 1.0)
    }

    /// Creates a mean of values from -1 to 1, such as differences between two conditions: the sum of the first column
    /// over the sum of the second, not defined where the second is 0. The values are not checked.
    pub fn mean_difference(
        id: impl Into<String>,
        label: impl Into<String>,
        better: Better,
        sums: ClusterSums<2>,
    ) -> Self {
        Self::mean(id, label, better, sums).within(-1.0, 1.0)
    }

    /// Creates an accuracy above a baseline, `(A - B) / (1 - B)`: 0 is a model as good as the baseline, 1 one that is
    /// always right. `sums` holds right answers, accuracies of the baseline, and items. Not defined without items, or
    /// where `B` is 1. Intervals are cut to the values from no to all answers right.
    pub fn above_baseline(id: impl Into<String>, label: impl Into<String>, sums: ClusterSums<3>) -> Self {
        let totals = [0, 1, 2].map(|column| sums.columns[column].iter().sum::<f64>());
        let least = above_baseline(&[0.0, totals[1], totals[2]]);
        let metric = Self::new(id, label, Better::Higher, sums, above_baseline);
        match least {
            Some(least) => metric.within(least, 1.0),
            None => metric,
        }
    }

    /// Returns the metric with `low` and `high` as the least and the largest value that it can take. Intervals are cut
    /// to them.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { statistic: self.statistic.within(low, high), ..self }
    }

    /// Returns the difference of a metric between two models, `tuned` less `base`, whose interval is the interval of
    /// the paired difference. Both must be the same metric over the same cells. `n` is the smaller of the two; id,
    /// label and direction are those of `tuned`.
    #[must_use]
    pub fn difference(tuned: Self, base: Self) -> Self {
        Self { n: tuned.n.min(base.n), statistic: tuned.statistic.less(base.statistic), ..tuned }
    }
}

/// Returns `part / whole`; None where `whole` is 0 or negative.
pub(crate) fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Computes the accuracy above a baseline, `(A - B) / (1 - B)`, from the sums of right answers, accuracies of the
/// baseline, and items. None without items or where `B` is 1.
pub(super) fn above_baseline(t: &[f64]) -> Option<f64> {
    let (accuracy, baseline) = (share(t[0], t[2])?, share(t[1], t[2])?);
    share(accuracy - baseline, 1.0 - baseline)
}

/// Adds up, in each cell (a patient and a question) and each sentence under the condition with the index `c`, the
/// differences in being right between the conditions with the indices `c` and `reference`, `c` less `reference`, on the
/// items evaluated under both. Columns: sum of differences, items.
pub(super) fn paired(table: &OutcomeTable<'_>, c: usize, reference: usize) -> ClusterSums<2> {
    table.sums_under(c, |row| Some([row.right(c)? - row.right(reference)?, 1.0]))
}
