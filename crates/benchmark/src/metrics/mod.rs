//! Metrics: numbers about a respondent's outcomes. Each family is one file here and one line in [`FAMILIES`].
//!
//! Notation: `y(c)` is 1 where an item is right under condition `c`, else 0 (an unparsed reply is not right); `a(c)` is
//! the answer, `g` the right one, `h` the one a hint names. Every metric compares conditions on the items that were asked
//! under all of them, and says how many those are. An interval comes from the bootstrap over groups.

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

pub use outcome_table::{Groups, Ledger, Row, Sums};

/// Every set of metrics. Which metrics there are depends on the suite alone, never on outcomes: those of two respondents
/// stand at the same places.
const SETS: &[fn(&Ledger<'_>) -> Vec<Metric>] = &[
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

/// Which direction is an improvement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
    /// It describes and does not judge.
    Neither,
}

/// One number about a respondent, before it is bounded.
pub struct Metric {
    /// For programs; conditions and stages follow after a colon.
    pub id: String,
    /// For people.
    pub label: String,
    /// Which direction is an improvement.
    pub better: Better,
    /// Items (or cases, for chains) it rests on.
    pub n: usize,
    /// How it is computed from sums over groups.
    pub statistic: Statistic,
}

impl Metric {
    /// A metric computed by `formula` from the sums of `N` columns.
    pub fn new<const N: usize>(
        id: impl Into<String>,
        label: impl Into<String>,
        better: Better,
        sums: Sums<N>,
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

    /// A mean: the first column over the second.
    pub fn mean(id: impl Into<String>, label: impl Into<String>, better: Better, sums: Sums<2>) -> Self {
        Self::new(id, label, better, sums, |t| share(t[0], t[1]))
    }

    /// This metric of `tuned` less that of `base`, drawn together so that the interval is of the paired difference.
    #[must_use]
    pub fn difference(tuned: Self, base: Self) -> Self {
        let middle = tuned.statistic.columns.len();
        let (of_tuned, of_base) = (tuned.statistic.formula, base.statistic.formula);
        let formula: Formula = Box::new(move |t| Some(of_tuned(&t[..middle])? - of_base(&t[middle..])?));
        let columns = tuned.statistic.columns.into_iter().chain(base.statistic.columns).collect();
        Self { n: tuned.n.min(base.n), statistic: Statistic { columns, formula }, ..tuned }
    }
}

/// All metrics of a ledger, in a fixed order.
#[must_use]
pub fn all(ledger: &Ledger<'_>) -> Vec<Metric> {
    SETS.iter().flat_map(|family| family(ledger)).collect()
}

/// A median is counted on levels that follow from the answers, so two respondents cannot be swapped in it.
const UNTESTED: &str = "number:median_relative_error";

/// The ids of all metrics of this suite that may be an endpoint: those that have a test.
#[must_use]
pub fn endpoints(suite: &Suite) -> Vec<String> {
    let all = all(&Ledger::new(suite, &Groups::default(), []));
    all.into_iter().map(|metric| metric.id).filter(|id| id != UNTESTED).collect()
}

/// A part over a whole; `None` of nothing.
pub(crate) fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// The mean per-item difference of two conditions, on the items asked under both: columns `sum of differences, items`.
fn paired(ledger: &Ledger<'_>, c: usize, reference: usize) -> Sums<2> {
    ledger.sums(|row| Some([row.right(c)? - row.right(reference)?, 1.0]))
}
