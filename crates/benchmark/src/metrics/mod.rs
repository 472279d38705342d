//! Metrics: numbers computed from the outcomes of one model. Each set of metrics is one file here and one line
//! in `SETS`.
//!
//! Notation: `y(c)` is 1 where an item is right under condition `c`, else 0 (an unparsed response is not right); `a(c)`
//! is the answer, `g` the right answer and `h` the answer that a hint names; condition `0` is the clean one. Every
//! metric compares conditions on the items that were evaluated under all of them, and gives the number of these items.
//! Intervals come from the bootstrap over groups.

pub mod outcome_table;

use crate::stats::bootstrap::{Formula, Statistic};
use crate::suite::Suite;

pub mod accuracy;
pub mod attack;
pub mod boxes;
pub mod chain;
pub mod consistency;
pub mod context;
pub mod cue;
pub mod epsilon;
pub mod fake_robustness;
pub mod family;
pub mod hint;
pub mod laterality;
pub mod number;
pub mod order;
pub mod pair;
pub mod reason;
pub mod refusal;
pub mod region;
pub mod robustness;
pub mod stage;
pub mod text;
pub mod vision;

pub use outcome_table::{ClusterSums, Clusters, ItemRow, OutcomeTable};

/// All sets of metrics. The metrics depend on the suite alone and never on outcomes, so the metrics of two models have
/// the same positions.
const SETS: &[fn(&OutcomeTable<'_>) -> Vec<Metric>] = &[
    accuracy::metrics,
    robustness::metrics,
    stage::metrics,
    hint::metrics,
    vision::metrics,
    region::metrics,
    cue::metrics,
    attack::metrics,
    epsilon::metrics,
    consistency::metrics,
    order::metrics,
    pair::metrics,
    laterality::metrics,
    refusal::metrics,
    boxes::metrics,
    number::metrics,
    text::metrics,
    chain::metrics,
    context::metrics,
    reason::metrics,
];

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
    /// Statistic that computes the metric from sums over groups.
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
        Self {
            id: id.into(),
            label: label.into(),
            better,
            n: sums.n,
            statistic: Statistic { columns: sums.columns.into(), formula: Box::new(formula) },
        }
    }

    /// Creates a mean: the sum of the first column over the sum of the second, not defined where the second sum is 0.
    pub fn mean(id: impl Into<String>, label: impl Into<String>, better: Better, sums: ClusterSums<2>) -> Self {
        Self::new(id, label, better, sums, |t| share(t[0], t[1]))
    }

    /// Returns the difference of a metric between two models, `tuned` less `base`. One statistic holds the columns of
    /// both, so its interval is the interval of the paired difference; `n` is the smaller of the two.
    #[must_use]
    pub fn difference(tuned: Self, base: Self) -> Self {
        let middle = tuned.statistic.columns.len();
        let (of_tuned, of_base) = (tuned.statistic.formula, base.statistic.formula);
        let formula: Formula = Box::new(move |t| Some(of_tuned(&t[..middle])? - of_base(&t[middle..])?));
        let columns = tuned.statistic.columns.into_iter().chain(base.statistic.columns).collect();
        Self { n: tuned.n.min(base.n), statistic: Statistic { columns, formula }, ..tuned }
    }
}

/// Returns all metrics of an outcome table, in a fixed order.
#[must_use]
pub fn all(table: &OutcomeTable<'_>) -> Vec<Metric> {
    SETS.iter().flat_map(|family| family(table)).collect()
}

/// Id of the only metric without a test: its levels follow from the answers, so two models cannot be swapped in it.
const UNTESTED: &str = "number:median_relative_error";

/// Returns the ids of all metrics of this suite that may be an endpoint, which are the metrics that have a test.
#[must_use]
pub fn endpoints(suite: &Suite) -> Vec<String> {
    let all = all(&OutcomeTable::new(suite, &Clusters::default(), []));
    all.into_iter().map(|metric| metric.id).filter(|id| id != UNTESTED).collect()
}

/// Part over whole; None where the whole is 0.
pub(crate) fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Sums for the mean per-item difference of condition `c` less `reference`, on the items evaluated under both. Columns:
/// sum of differences, items.
fn paired(table: &OutcomeTable<'_>, c: usize, reference: usize) -> ClusterSums<2> {
    table.sums(|row| Some([row.right(c)? - row.right(reference)?, 1.0]))
}
