//! Conditions under which training examples can be asked, and those whose right answer is to decline.

use super::{Kind, Purpose};

const SURROGATE: &str = "a lesson is attacked on the model that learns; use `pgd`, and leave this to the benchmark";
const REPLY: &str = "it answers a reply that the model has yet to give; leave it to the benchmark";
const CONTEXT: &str = "write `context`, as in `context = { gold = 0.9, wrong = 0.1 }`";

/// Kinds of conditions under which no lesson can stand, with what to do instead.
const UNTRAINABLE: &[(&str, &str)] = &[
    ("clean", "leave it out: it is what all other lessons are"),
    ("parents_gold", CONTEXT),
    ("parents_predicted", CONTEXT),
    ("parents_wrong", CONTEXT),
    ("transfer", SURROGATE),
    ("rebuttal_doubt", REPLY),
    ("rebuttal_wrong", REPLY),
    ("rebuttal_right", REPLY),
    ("rebuttal_repeat", REPLY),
    ("region_decay", "with part of the evidence gone no answer is known to be right; use `region_mask`"),
    ("random_decay", "it is the control of `region_decay`; use `random_mask`"),
];

/// Why no lesson can stand under a condition, for those under which none can, and what to do instead.
#[must_use]
pub fn untrainable(kind: &Kind) -> Option<&'static str> {
    UNTRAINABLE.iter().find(|(name, _)| *name == kind.name).map(|(_, reason)| *reason)
}

/// Whether the right answer under a kind of condition is to decline.
#[must_use]
pub fn teaches_to_decline(kind: &str) -> bool {
    super::kind(kind).is_some_and(|kind| kind.purpose == Purpose::Removal && kind.name != "swap_near")
}

#[cfg(test)]
mod tests {
    use super::UNTRAINABLE;
    use crate::perturb::kind;

    #[test]
    fn every_untrainable_kind_is_registered() {
        for (name, _) in UNTRAINABLE {
            assert!(kind(name).is_some(), "{name} is not a kind of perturbation");
        }
    }
}
