//! Planted models on an ordinary split and on a split with changing priors: a model that learned how often each answer is right
//! falls on the latter, and a model that looks does not.

use std::collections::BTreeMap;

use stepwise_benchmark::mock::{BlindPrior, Planted, Policy, PolicyInput};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::{Case, Split};
use stepwise_data::changing_priors::changing_priors;
use stepwise_data::prompt::gold_text;
use stepwise_data::split::{Group, Shares, assign, linked};
use stepwise_testing::benchmark::constructed::{self, Looker, evaluate};
use stepwise_testing::benchmark::evaluate::summary;
use stepwise_testing::benchmark::suite::uncapped;
use stepwise_testing::benchmark::values::{expect, value};

const SHARES: Shares = [0.6, 0.1, 0.3];

/// Mock model that gives the most common training answer to each question.
struct Prior(BTreeMap<String, String>);

impl Prior {
    fn learned(cases: &[Case]) -> Self {
        let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for case in cases {
            for item in &case.chain {
                *counts.entry(item.question.clone()).or_default().entry(gold_text(case, item)).or_default() += 1;
            }
        }
        let common = |answers: BTreeMap<String, usize>| {
            answers.into_iter().max_by_key(|(_, count)| *count).map_or_else(String::new, |(answer, _)| answer)
        };
        Self(counts.into_iter().map(|(question, answers)| (question, common(answers))).collect())
    }
}

impl Policy for Prior {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        self.0.get(&view.item.question).cloned().unwrap_or_else(|| BlindPrior.say(view))
    }
}

/// Cases of one patient each.
fn cases() -> Vec<Case> {
    let mut cases = constructed::cases(240);
    cases.iter_mut().for_each(|case| case.group_id = case.case_id.clone());
    cases
}

/// The model that `learned` makes of the training side, evaluated on the test side.
fn tested<P: Policy>(sides: &[Split], learned: impl Fn(&[Case]) -> P) -> Summary {
    let cases = cases();
    let of = |side: Split| -> Vec<Case> {
        cases.iter().zip(sides).filter(|(_, given)| **given == side).map(|(case, _)| case.clone()).collect()
    };
    let (suite, test) = (uncapped(), of(Split::Test));
    let plan = Plan::new(&suite, &test);
    summary(&plan, &evaluate(&plan, &mut Planted::new(&test, learned(&of(Split::Train)))), None)
}

#[test]
fn a_model_of_priors_falls_and_a_model_that_looks_does_not() {
    let cases = cases();
    let groups: Vec<Group> =
        cases.iter().map(|case| Group { id: case.group_id.clone(), stratum: String::new(), cases: 1 }).collect();
    let by_group = assign(1, &groups, SHARES);
    let ordinary: Vec<Split> = cases.iter().map(|case| by_group[&case.group_id]).collect();
    let changed = changing_priors(1, &cases, &linked(&cases, |_, _| None), |_| false, SHARES);

    let [before, after] = [&ordinary, &changed].map(|sides| tested(sides, Prior::learned));
    let [accuracy, fallen] = [&before, &after].map(|summary| value(summary, "accuracy:clean"));
    assert!(fallen < accuracy - 0.15, "{accuracy} before, {fallen} after");
    for blind in [&before, &after] {
        expect(blind, "image_score", 0.5);
        expect(blind, "visual_reliance_swap", 0.0);
    }
    for sides in [&ordinary, &changed] {
        let looker = tested(sides, |_| Looker);
        expect(&looker, "accuracy:clean", 1.0);
        expect(&looker, "image_score", 1.0);
    }
}
