//! Conditions that training examples can have, and conditions whose right answer is the abstain option.

use super::{PerturbationKind, Purpose};

const SURROGATE: &str = "training attacks the current model itself; use `pgd`, and use `transfer` in suites only";
const REPLY: &str = "it needs a response of the model, which training does not have; use it in suites only";
const CONTEXT: &str = "use `context` instead, as in `context = { gold = 0.9, wrong = 0.1 }`";

/// Kinds of conditions that cannot be used in training, with advice.
const UNTRAINABLE: &[(&str, &str)] = &[
    ("clean", "remove it: all examples without a condition are clean"),
    ("parents_gold", CONTEXT),
    ("parents_predicted", CONTEXT),
    ("parents_wrong", CONTEXT),
    ("transfer", SURROGATE),
    ("rebuttal_doubt", REPLY),
    ("rebuttal_wrong", REPLY),
    ("rebuttal_right", REPLY),
    ("rebuttal_repeat", REPLY),
    ("region_decay", "no answer is known to be right when part of the evidence is removed; use `region_mask`"),
    ("random_decay", "it is the control of `region_decay`; use `random_mask`"),
];

/// Returns the reason why conditions of this kind cannot be used in training, with what to do instead. None if they can
/// be used.
#[must_use]
pub fn untrainable(kind: &PerturbationKind) -> Option<&'static str> {
    UNTRAINABLE.iter().find(|(name, _)| *name == kind.name).map(|(_, reason)| *reason)
}

/// Returns whether a training example under the kind of condition with this name has the abstain option as its right
/// answer: true for every kind that removes the evidence except `swap_near`, whose images show another answer; false
/// for all others and for unknown names.
#[must_use]
pub fn teaches_to_decline(kind: &str) -> bool {
    super::kinds::kind(kind).is_some_and(|kind| kind.purpose == Purpose::EvidenceRemoved && kind.name != "swap_near")
}

#[cfg(test)]
mod tests {
    use super::UNTRAINABLE;
    use crate::perturb::kinds::kind;

    #[test]
    fn every_untrainable_kind_is_registered() {
        for (name, _) in UNTRAINABLE {
            assert!(kind(name).is_some(), "{name} is not a kind of perturbation");
        }
    }
}
