//! Content of the report, by arm.

use stepwise_benchmark::summary::Estimate;
use stepwise_report::strip::Mark;

use crate::summary::{ArmEndpoint, Difference, Endpoint, StudyRuns, StudySummary};

/// Content of the report of a study.
#[derive(Clone, Copy, Debug)]
pub struct StudyInput<'a> {
    /// Comparison of the arms.
    pub summary: &'a StudySummary,
    /// Outcomes that the comparison was computed from, with facts for the header.
    pub runs: &'a StudyRuns,
}

/// Name of the untouched base in rows of arms.
pub(super) const BASE: &str = "base, untouched";

/// Row of an endpoint: name, mean over seeds, value of each seed, difference from the reference.
pub(super) type Row<'a> = (&'a str, Estimate, &'a [Option<f64>], Option<&'a Difference>);

impl<'a> StudyInput<'a> {
    /// Returns the rows of the base and all arms.
    pub(super) fn rows(&self, endpoint: &'a Endpoint) -> impl Iterator<Item = Row<'a>> {
        let base: Row<'a> = (BASE, endpoint.base, &[], endpoint.base_difference.as_ref());
        let arms = self.summary.arms.iter().zip(&endpoint.arms);
        let arm = |((name, _), arm): (&'a (String, Vec<u64>), &'a ArmEndpoint)| {
            (name.as_str(), arm.estimate, arm.by_seed.as_slice(), arm.difference.as_ref())
        };
        std::iter::once(base).chain(arms.map(arm))
    }

    /// Returns the base and all arms but the reference, each with its difference from the reference.
    pub(super) fn others(&self, endpoint: &'a Endpoint) -> impl Iterator<Item = (&'a str, Option<&'a Difference>)> {
        let reference = self.summary.reference.as_str();
        let rows = self.rows(endpoint).enumerate();
        rows.filter(move |(place, (name, ..))| *place == 0 || *name != reference)
            .map(|(_, (name, _, _, difference))| (name, difference))
    }
}

/// Returns the mark of a difference from the reference.
pub(super) fn mark(found: Option<&Difference>) -> Mark {
    let defined = found.filter(|difference| difference.estimate.value.is_some());
    Mark { found: difference(defined), is_clear: defined.is_some_and(Difference::is_clear) }
}

/// Returns the difference from the reference as an estimate.
pub(super) fn difference(found: Option<&Difference>) -> Option<Estimate> {
    found.map(|difference| difference.estimate)
}
