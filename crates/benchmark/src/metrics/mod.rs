//! Metrics: numbers computed from the outcomes of one model. Each set of metrics is one file here and one line
//! in `SETS`.
//!
//! Notation: `y(c)` is 1 where an item is right under condition `c`, else 0 (an unparsed response is not right); `a(c)`
//! is the answer, `g` the right answer and `h` the answer that a hint names; condition `0` is the clean one. Every
//! metric compares conditions on the items that were evaluated under all of them, and gives the number of these items.
//! Intervals and tests come from [`stats::inference`](crate::stats::inference).

pub mod accuracy;
mod ancestors;
pub mod attack;
pub mod boxes;
pub mod calibration;
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
pub mod majority;
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
pub mod subgroup;
pub mod text;
pub mod vision;
pub mod yes_no;

use crate::stats::Sampling;
use crate::suite::Suite;

pub use majority::OneAnswerQuestion;
pub use metric::{Better, Metric};
pub use outcome_table::{ClusterSums, Crossing, ItemRow, OutcomeTable};
pub use subgroup::{Feature, Subgroup};

/// All sets of metrics over all items. These metrics depend on the suite alone and never on outcomes, so the metrics of
/// two models have the same positions.
const SETS: &[fn(&OutcomeTable<'_>) -> Vec<Metric>] = &[
    accuracy::metrics,
    image_score::metrics,
    robustness::metrics,
    majority::metrics,
    stage::metrics,
    hint::metrics,
    hint_on_images::metrics,
    vision::metrics,
    region::metrics,
    cue::metrics,
    attack::metrics,
    epsilon::metrics,
    consistency::metrics,
    order::metrics,
    pair::metrics,
    yes_no::metrics,
    laterality::metrics,
    refusal::metrics,
    boxes::metrics,
    number::metrics,
    text::metrics,
    calibration::metrics,
    chain::metrics,
    context::metrics,
    reason::metrics,
];

/// Returns all metrics of an outcome table, in a fixed order: over all items, then of each of `subgroups`. The ids
/// depend on the suite and on `subgroups` alone; a metric without eligible items is there too, with the value None, so
/// that the metrics of two models have the same positions.
#[must_use]
pub fn all(table: &OutcomeTable<'_>, subgroups: &[Subgroup]) -> Vec<Metric> {
    SETS.iter().flat_map(|family| family(table)).chain(subgroup::metrics(table, subgroups)).collect()
}

/// Returns the ids of all metrics of this suite over all items that may be a primary endpoint: those with an interval
/// and a test.
#[must_use]
pub fn endpoints(suite: &Suite) -> Vec<String> {
    let all = all(&OutcomeTable::new(suite, &Crossing::default(), []), &[]);
    all.into_iter().filter(|metric| metric.statistic.sampling != Sampling::Unknown).map(|metric| metric.id).collect()
}

/// Returns whether a metric with this id may be a primary endpoint: one of [`endpoints`], or a metric of a subgroup,
/// such as `image_score:category_10`. Whether the cases have such a subgroup is not known here.
#[must_use]
pub fn is_endpoint(suite: &Suite, id: &str) -> bool {
    let of_subgroup = |(all, _): (&str, Subgroup)| {
        let table = OutcomeTable::new(suite, &Crossing::default(), []);
        subgroup::divided_ids(&table).iter().any(|divided| divided == all)
    };
    Subgroup::of_id(id).is_some_and(of_subgroup) || endpoints(suite).iter().any(|endpoint| endpoint == id)
}
