//! Training budgets of runs, and the check that they are equal.

use std::fmt;

use serde::{Deserialize, Serialize};
use stepwise_recipe::study_file::UnequalBudget;

/// Training budget of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Number of optimiser steps.
    pub steps: u64,
    /// Number of training examples; a question that is trained twice counts twice.
    pub samples: u64,
    /// Number of supervised tokens, the tokens that the loss is computed on.
    pub supervised_tokens: u64,
}

/// Largest relative difference, 0 to 1, at which numbers of samples and tokens count as equal. They differ slightly
/// between arms, because the last batch of a pass may be smaller. Steps must be exactly equal. The value is a choice of
/// this crate.
pub const TOLERANCE: f64 = 0.01;

/// Words with which reports and the overview of tasks describe arms with equal budgets.
pub const EQUAL: &str = "equal in all arms for each seed: steps exactly, samples and tokens within 1 %";

/// A quantity of a budget: its key in `unequal_budget`, its value, and the allowed relative difference between arms.
type Quantity = (&'static str, fn(&Budget) -> u64, f64);

const QUANTITIES: [Quantity; 3] = [
    ("steps", |budget| budget.steps, 0.0),
    ("samples", |budget| budget.samples, TOLERANCE),
    ("supervised_tokens", |budget| budget.supervised_tokens, TOLERANCE),
];

/// Error: the budgets of the arms differ for one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Unequal {
    pub(crate) seed: u64,
    /// Keys of the quantities that differ without a reason.
    pub(crate) differs: Vec<&'static str>,
    pub(crate) rows: Vec<(String, Budget)>,
}

impl fmt::Display for Unequal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differs: Vec<String> = self.differs.iter().map(|name| name.replace('_', " ")).collect();
        writeln!(f, "the training budgets of the arms differ in {} (seed {}):", differs.join(", "), self.seed)?;
        let width = self.rows.iter().map(|(arm, _)| arm.len()).max().unwrap_or(0).max(3);
        writeln!(f, "  {:<width$}  {:>8}  {:>8}  {:>17}", "arm", "steps", "samples", "supervised tokens")?;
        for (arm, Budget { steps, samples, supervised_tokens }) in &self.rows {
            writeln!(f, "  {arm:<width$}  {steps:>8}  {samples:>8}  {supervised_tokens:>17}")?;
        }
        let reasons: Vec<String> = self.differs.iter().map(|name| format!("{name} = \"...\"")).collect();
        write!(
            f,
            "steps must be equal, samples and supervised tokens within {} % -> make them equal (`train.max_steps`, epochs, \
             `order`), or give the reason in the study: `unequal_budget = {{ {} }}`",
            TOLERANCE * 100.0,
            reasons.join(", ")
        )
    }
}

/// Keys of the quantities that differ among `budgets` and have no reason.
pub(crate) fn differing<'a>(
    budgets: impl Iterator<Item = &'a Budget> + Clone,
    reasons: &UnequalBudget,
) -> Vec<&'static str> {
    let waived = [&reasons.steps, &reasons.samples, &reasons.supervised_tokens];
    let differs = |(_, of, tolerance): &Quantity| {
        let (least, most) = (budgets.clone().map(of).min(), budgets.clone().map(of).max());
        least.zip(most).is_some_and(|(least, most)| (most - least) as f64 > tolerance * most as f64)
    };
    let named = QUANTITIES.iter().zip(waived).filter(|(quantity, reason)| reason.is_none() && differs(quantity));
    named.map(|((key, ..), _)| *key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(steps: u64, samples: u64, supervised_tokens: u64) -> Budget {
        Budget { steps, samples, supervised_tokens }
    }

    #[test]
    fn a_step_more_or_two_in_a_hundred_samples_are_not_the_same() {
        let differs = |other: Budget| differing([of(10, 1000, 4000), other].iter(), &UnequalBudget::default());
        assert!(differs(of(10, 992, 4030)).is_empty());
        assert_eq!(differs(of(11, 1000, 4000)), ["steps"]);
        assert_eq!(differs(of(10, 980, 4000)), ["samples"]);
        assert_eq!(differs(of(9, 980, 4100)), ["steps", "samples", "supervised_tokens"]);
        assert!(differing([].iter(), &UnequalBudget::default()).is_empty());
    }

    #[test]
    fn a_reason_waives_nothing_else() {
        let all = [of(10, 1000, 4000), of(11, 980, 4100)];
        let because = || Some("because".to_owned());
        let steps = UnequalBudget { steps: because(), ..UnequalBudget::default() };
        assert_eq!(differing(all.iter(), &steps), ["samples", "supervised_tokens"]);
        let lessons = UnequalBudget { samples: because(), supervised_tokens: because(), steps: None };
        assert_eq!(differing(all.iter(), &lessons), ["steps"]);
    }
}
