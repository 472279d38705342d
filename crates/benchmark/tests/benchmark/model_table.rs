//! Tables of several mock models. All numbers are known in advance.

use stepwise_benchmark::compare::CompareError;
use stepwise_benchmark::mock::{BlindPrior, HintFollower, Oracle, Planted, Policy};
use stepwise_benchmark::model_table::{Entry, ModelTable, asked_the_same};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::stats::adjusted_p::holm;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;
use stepwise_testing::benchmark::constructed::{BALANCED, Looker, cases, evaluate};
use stepwise_testing::benchmark::suite;

fn suite() -> Suite {
    let hint = |kind: &str| (kind.to_owned(), format!("kind = \"{kind}\"\ncontrol = \"hint_zero\""));
    let plain = |kind: &str| (kind.to_owned(), format!("kind = \"{kind}\""));
    let conditions = [plain("clean"), hint("hint_plus"), hint("hint_minus"), plain("hint_zero"), plain("blank")];
    suite::suite("seed = 5", &conditions)
}

/// Outcomes in which every item asks a question of its own, so that there are enough questions for a claim.
fn outcomes(suite: &Suite, cases: &[Case], policy: impl Policy) -> Vec<Outcome> {
    let mut outcomes = evaluate(&Plan::new(suite, cases), &mut Planted::new(cases, policy)).outcomes;
    for outcome in &mut outcomes {
        outcome.question = format!("{} {}", outcome.case_id, outcome.item_id);
    }
    outcomes
}

fn table(suite: &Suite, models: &[(&str, &[Outcome])]) -> ModelTable {
    let entries: Vec<Entry<'_>> = models.iter().map(|(name, outcomes)| Entry { name, outcomes }).collect();
    ModelTable::new(suite, &entries).expect("comparable")
}

fn ranks(table: &ModelTable, id: &str) -> Vec<Option<[usize; 2]>> {
    table.column(id).expect("a column").values.iter().map(|value| value.rank).collect()
}

#[test]
fn models_are_ranked_where_their_differences_are_sure() {
    let (suite, cases) = (suite(), cases(4 * BALANCED));
    let right = outcomes(&suite, &cases, Oracle);
    let blind = outcomes(&suite, &cases, BlindPrior);
    let follower = outcomes(&suite, &cases, HintFollower(Looker));
    let found = table(&suite, &[("blind", &blind), ("right", &right), ("follower", &follower)]);
    assert_eq!((found.items, found.groups, found.pairs(), found.can_be_sure()), (192, 24, 3, true));
    let clean = found.column("accuracy:clean").expect("a column");
    let values: Vec<Option<f64>> = clean.values.iter().map(|value| value.estimate.value).collect();
    assert_eq!(values, [Some(19.0 / 48.0), Some(1.0), Some(1.0)]);
    // Two models are always right on clean questions: they share the first two ranks.
    assert_eq!(ranks(&found, "accuracy:clean"), [Some([3, 3]), Some([1, 2]), Some([1, 2])]);
    // The follower is wrong wherever a hint is wrong: less robust than the prior.
    assert_eq!(ranks(&found, "robust_accuracy"), [Some([2, 2]), Some([1, 1]), Some([3, 3])]);
    // A small hint reliance is better; only the follower relies on hints, and only where it would be wrong without.
    assert!(ranks(&found, "hint_discrimination")[2].is_none_or(|rank| rank[1] == 3));
    // p-values are adjusted by Holm over all pairs of the column.
    let of = |value: fn(&stepwise_benchmark::summary::Estimate) -> Option<f64>| -> Vec<f64> {
        clean.pairs.iter().map(|pair| value(&pair.difference).expect("a test")).collect()
    };
    assert_eq!(of(|found| found.p_adjusted), holm(&of(|found| found.p)));
    let of_pairs: Vec<_> = clean.pairs.iter().map(|pair| (pair.a, pair.b, pair.difference.is_clear())).collect();
    assert_eq!(of_pairs, [(0, 1, true), (0, 2, true), (1, 2, false)]);
}

#[test]
fn four_questions_allow_no_rank() {
    let (suite, cases) = (suite(), cases(BALANCED));
    let asked =
        |policy: Box<dyn Policy>| evaluate(&Plan::new(&suite, &cases), &mut Planted::new(&cases, Boxed(policy)));
    let (right, blind) = (asked(Box::new(Oracle)).outcomes, asked(Box::new(BlindPrior)).outcomes);
    let found = table(&suite, &[("right", &right), ("blind", &blind)]);
    assert!(!found.can_be_sure());
    assert_eq!(ranks(&found, "accuracy:clean"), [Some([1, 2]), Some([1, 2])]);
}

/// Policy behind a box.
struct Boxed(Box<dyn Policy>);

impl Policy for Boxed {
    fn say(&self, view: &stepwise_benchmark::mock::PolicyInput<'_>) -> String {
        self.0.say(view)
    }
}

#[test]
fn missing_answers_are_never_wrong_and_leave_the_question_out_for_all() {
    let (suite, cases) = (suite(), cases(BALANCED));
    let mut right = outcomes(&suite, &cases, Oracle);
    let follower = outcomes(&suite, &cases, HintFollower(Looker));
    let all = right.len();
    let mut kept = 0;
    right.retain(|outcome| {
        kept += 1;
        outcome.condition != "blank" && (outcome.condition != "clean" || kept % 3 > 0)
    });
    let found = table(&suite, &[("right", &right), ("follower", &follower)]);
    assert_eq!(found.answered_by_all, right.len());
    assert_eq!((found.models[0].left_out, found.models[1].left_out), (0, all - right.len()));
    assert_eq!(found.left_out_conditions, ["blank"]);
    let clean = &found.column("accuracy:clean").expect("a column").values;
    assert_eq!(clean[0].estimate.value, Some(1.0));
    assert_eq!(clean[0].estimate.n, clean[1].estimate.n);
    let ids: Vec<Vec<&str>> =
        found.models.iter().map(|model| model.conditions.iter().map(|found| found.id.as_str()).collect()).collect();
    assert_eq!(ids[0], ["clean", "hint_plus", "hint_minus", "hint_zero"]);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn models_that_were_asked_otherwise_have_no_common_table() {
    let (suite, cases) = (suite(), cases(BALANCED));
    let right = outcomes(&suite, &cases, Oracle);
    let none = ModelTable::new(&suite, &[]);
    assert_eq!(none, Err(CompareError::NothingInCommon));
    let renamed: Vec<Outcome> =
        right.iter().map(|outcome| Outcome { case_id: format!("x{}", outcome.case_id), ..outcome.clone() }).collect();
    assert_eq!(asked_the_same(&right, &renamed), Err(CompareError::NothingInCommon));
    let changed = |change: fn(&mut Outcome)| {
        let mut other = right.clone();
        other.iter_mut().for_each(change);
        let entries = [Entry { name: "a", outcomes: &right }, Entry { name: "b", outcomes: &other }];
        ModelTable::new(&suite, &entries).expect_err("refused").to_string()
    };
    for (said, word) in [
        (changed(|outcome| outcome.asked = "0".to_owned()), "different questions"),
        (changed(|outcome| outcome.scoring = "options/0".to_owned()), "one version of Stepwise"),
        (changed(|outcome| outcome.gold = "other".to_owned()), "the same cases"),
        (changed(|outcome| outcome.stage = 1), "the same cases"),
    ] {
        assert!(said.contains(word) && said.contains(" -> "), "{word} is missing in {said}");
    }
}
