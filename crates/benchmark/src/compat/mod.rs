//! Published scoring rules, reproduced with their faults, so that a number from a paper can be compared with the
//! strict score. Each rule is one file and one line of `RULES`. The rules score stored responses; the model is not
//! evaluated again.

mod drvd;
mod echobench;
mod llava_med;
mod omnimedvqa;
mod pope;
mod probmed;
mod rule;
mod score;
mod vlmevalkit_choice;
mod vlmevalkit_yes_no;

use crate::outcome::Outcome;
use crate::plan::Plan;

pub use score::{CompatScore, OtherScore};

use rule::PublishedRule;

/// All rules that can be computed from single responses.
const RULES: &[PublishedRule] = &[
    llava_med::RULE,
    probmed::RULE,
    pope::RULE,
    vlmevalkit_yes_no::RULE,
    vlmevalkit_choice::RULE,
    drvd::RULE,
    omnimedvqa::RULE,
    echobench::RULE,
];

/// Rules that cannot be computed from single responses: id, source and reason.
const OUT_OF_REACH: &[(&str, &str, &str)] = &[(
    "drvd_joint",
    "DrVD-Bench, compute_choice_metric.py --type joint",
    "scores one response to a prompt that asks all levels at once, and a suite asks one question at a time",
)];

/// Scores the responses among `outcomes`, which answer entries of `plan`, by every published rule, and returns one
/// score per rule in a fixed order. Outcomes that a rule is not about are left out. A rule that cannot be applied is
/// returned with the reason in `skipped`.
#[must_use]
pub fn scores(plan: &Plan<'_>, outcomes: &[Outcome]) -> Vec<CompatScore> {
    let out_of_reach =
        OUT_OF_REACH.iter().map(|(id, source, reason)| CompatScore::skipped(id, source, "", (*reason).to_owned()));
    RULES.iter().map(|rule| rule.apply(plan, outcomes)).chain(out_of_reach).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_id_and_says_what_is_wrong() {
        let mut ids: Vec<&str> =
            RULES.iter().map(|rule| rule.id).chain(OUT_OF_REACH.iter().map(|(id, ..)| *id)).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(RULES.iter().all(|rule| !rule.fault.is_empty() && !rule.source.is_empty()));
    }
}
