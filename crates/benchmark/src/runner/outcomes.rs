//! Outcomes of a run, collected while it goes on.

use std::collections::BTreeMap;

use crate::outcome::Outcome;
use crate::plan::{Plan, PlanEntry};
use crate::runner::error::RunError;
use crate::runner::options::{Options, RunProgress};

/// Result of a run: the outcomes, how they were obtained, and the items that could not be asked.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Outcomes sorted by case id, item id and position of the condition in the suite.
    pub outcomes: Vec<Outcome>,
    /// Number of outcomes for which this run asked the model.
    pub asked: usize,
    /// Number of outcomes taken from [`Options::known`].
    pub reused: usize,
    /// For each condition of the suite, the number of planned items that could not be asked, by reason:
    /// [`NO_GRADIENTS`](super::NO_GRADIENTS), [`NO_PICTURE`](super::NO_PICTURE), [`NO_SURROGATE`](super::NO_SURROGATE)
    /// [`NO_RESPONSE`](super::NO_RESPONSE) or [`NO_REPLY`](super::NO_REPLY).
    pub unanswerable: Vec<BTreeMap<&'static str, usize>>,
}

impl Run {
    /// Creates the result of a run of `plan` without outcomes.
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        Self { unanswerable: vec![BTreeMap::new(); plan.suite.conditions.len()], ..Self::default() }
    }

    /// Sorts the outcomes by case id, item id and position of the condition in the suite.
    pub(super) fn sort(&mut self, plan: &Plan<'_>) {
        let place =
            |outcome: &Outcome| plan.suite.conditions.iter().position(|condition| condition.id == outcome.condition);
        self.outcomes.sort_by(|a, b| (&a.case_id, &a.item_id, place(a)).cmp(&(&b.case_id, &b.item_id, place(b))));
    }

    /// Adds answered entries and reports progress, also without new entries.
    ///
    /// # Errors
    /// [`RunError::Stopped`] when the callback breaks. The entries are added nevertheless.
    pub(super) fn keep(
        &mut self,
        plan: &Plan<'_>,
        answered: Vec<(PlanEntry, Outcome)>,
        options: &mut Options<'_>,
    ) -> Result<(), RunError> {
        let fresh: Vec<Outcome> = answered.into_iter().map(|(_, outcome)| outcome).collect();
        let unanswerable: usize = self.unanswerable.iter().flat_map(BTreeMap::values).sum();
        let done = self.outcomes.len() + fresh.len() + unanswerable;
        let flow = (options.progress)(RunProgress { done, total: plan.entries.len(), fresh: &fresh });
        self.asked += fresh.len();
        self.outcomes.extend(fresh);
        if flow.is_break() { Err(RunError::Stopped) } else { Ok(()) }
    }

    /// Returns, for each condition of the suite, the number of items left out by reason: by `plan`, or because the
    /// model could not be asked. A condition that leaves out no item has an empty map. A reason of the run replaces the
    /// same reason of the plan.
    #[must_use]
    pub fn skips(&self, plan: &Plan<'_>) -> Vec<BTreeMap<String, usize>> {
        plan.skipped
            .iter()
            .enumerate()
            .map(|(number, reasons)| {
                let unanswerable = self.unanswerable.get(number).into_iter().flatten();
                reasons.iter().chain(unanswerable).map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
            })
            .collect()
    }

    /// Counts `entry` as unanswerable for this reason.
    ///
    /// # Panics
    /// When [`Run::unanswerable`] has no map for the entry's condition.
    pub(super) fn cannot_be_asked(&mut self, entry: PlanEntry, reason: &'static str) {
        *self.unanswerable[entry.condition].entry(reason).or_default() += 1;
    }
}
