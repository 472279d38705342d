//! Metrics: numbers computed from the outcomes of one model. Each set of metrics is one file here and one line
//! in `SETS`.
//!
//! Notation: `y(c)` is 1 where an item is right under condition `c`, else 0 (an unparsed response is not right); `a(c)`
//! is the answer, `g` the right answer and `h` the answer that a hint names; condition `0` is the clean one. Every
//! metric compares conditions on the items that were evaluated under all of them, and gives the number of these items.
//! Intervals and tests come from [`stats::inference`](crate::stats::inference).

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
pub mod hint_on_images;
pub mod image_score;
pub mod laterality;
pub mod metric;
pub mod number;
pub mod order;
pub mod outcome_table;
pub mod pair;
pub mod reason;
pub mod refusal;
pub mod region;
pub mod robustness;
pub mod stage;
pub mod text;
pub mod vision;

use crate::stats::Sampling;
use crate::suite::Suite;

pub use metric::{Better, Metric};
pub use outcome_table::{ClusterSums, Crossing, ItemRow, OutcomeTable};

/// All sets of metrics. The metrics depend on the suite alone and never on outcomes, so the metrics of two models have
/// the same positions.
const SETS: &[fn(&OutcomeTable<'_>) -> Vec<Metric>] = &[
    accuracy::metrics,
    robustness::metrics,
    stage::metrics,
    hint::metrics,
    hint_on_images::metrics,
    image_score::metrics,
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

/// Returns all metrics of an outcome table, in a fixed order. The ids depend on the suite alone; a metric without
/// eligible items is there too, with the value None, so that the metrics of two models have the same positions.
#[must_use]
pub fn all(table: &OutcomeTable<'_>) -> Vec<Metric> {
    SETS.iter().flat_map(|family| family(table)).collect()
}

/// Returns the ids of all metrics of this suite that may be a primary endpoint: those with an interval and a test.
#[must_use]
pub fn endpoints(suite: &Suite) -> Vec<String> {
    let all = all(&OutcomeTable::new(suite, &Crossing::default(), []));
    all.into_iter().filter(|metric| metric.statistic.sampling != Sampling::Unknown).map(|metric| metric.id).collect()
}
