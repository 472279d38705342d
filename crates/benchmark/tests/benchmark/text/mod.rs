//! Every change of the words on mock models whose values are known in advance.

mod earlier_answers;
mod sentences;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use image::RgbImage;
use stepwise_benchmark::mock::{
    BlindPrior, HintFollower, LastOption, Oracle, Planted, Policy, PolicyInput, Unparsable,
};
use stepwise_benchmark::model::Query;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{NO_REPLY, Run};
use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::{Answer, Case};
use stepwise_data::conversation::{Part, Role};
use stepwise_data::prompt::{AnswerForm, gold_text};
use stepwise_testing::benchmark::constructed::{BALANCED, LUCK, Looker, cases, evaluate, load, recorded};
use stepwise_testing::benchmark::evaluate::{MockEvaluation, by_key, summary};
use stepwise_testing::benchmark::suite::{self, WORDS};
use stepwise_testing::benchmark::values::expect;
use stepwise_testing::cases::synthetic;

/// Returns a suite of the clean condition and one condition for each of `kinds`. An entry is a kind, followed by any
/// number of `key=value`. The id is the entry with every other character than letters and digits replaced by `_`.
fn suite(kinds: &[&str]) -> Suite {
    let condition = |written: &&str| {
        let (kind, keys) = written.split_once(' ').unwrap_or((written, ""));
        let id: String = written.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        (id, format!("kind = \"{kind}\"\n{}", keys.replace(' ', "\n")))
    };
    let clean = ("clean".to_owned(), "kind = \"clean\"".to_owned());
    suite::suite("seed = 5", &[clean].into_iter().chain(kinds.iter().map(condition)).collect::<Vec<_>>())
}

fn of(kinds: &[&str], policy: impl Policy) -> Summary {
    let (suite, cases) = (suite(kinds), cases(BALANCED));
    let plan = Plan::new(&suite, &cases);
    summary(&plan, &evaluate(&plan, &mut Planted::new(&cases, policy)), None)
}

fn words(query: &Query, turn: usize) -> String {
    let texts = query.conversation.messages[turn].content.iter().filter_map(|part| match part {
        Part::Text { text } => Some(text.as_str()),
        Part::Image { .. } => None,
    });
    texts.collect()
}

fn outcomes<'a>(run: &'a Run, condition: &'a str) -> impl Iterator<Item = &'a Outcome> {
    run.outcomes.iter().filter(move |outcome| outcome.condition == condition)
}

/// Returns a suite of the kinds that change only words.
fn text_suite() -> Suite {
    let mut suite = Suite::full();
    let asked = |kind| WORDS.contains(&kind) || ["clean", "hint_plus", "hint_zero"].contains(&kind);
    suite.conditions.retain(|condition| asked(condition.kind));
    suite
}

#[test]
fn an_oracle_is_right_under_every_change_of_the_words() {
    let suite = text_suite();
    let cases = synthetic(40);
    let plan = Plan::new(&suite, &cases);
    let grey = |case: &Case, index: usize| {
        let image = &case.images[index];
        Ok(Arc::new(RgbImage::new(image.width, image.height)))
    };
    let run = MockEvaluation::on(&grey).run(&plan, &mut Planted::knowing(&plan, Oracle));
    for condition in &suite.conditions {
        let asked: Vec<&Outcome> = outcomes(&run, &condition.id).collect();
        // No synthetic choice has enough options for these rotations.
        let never = ["rotation_4", "rotation_5"].contains(&condition.id.as_str());
        assert_eq!(asked.is_empty(), never, "{}", condition.id);
        for outcome in asked {
            assert!(outcome.is_right(), "{outcome:?}");
        }
    }
    assert!(run.unanswerable.iter().all(BTreeMap::is_empty));
    // Conditions that change the right answer record the new answer in the outcome.
    let golds = |id: &str| -> HashMap<(String, String), String> {
        outcomes(&run, id).map(|o| ((o.case_id.clone(), o.item_id.clone()), o.gold.clone())).collect()
    };
    let clean = golds("clean");
    for (id, other) in [
        ("negated_twin", true),
        ("negation", true),
        ("nota_right", true),
        ("premise_false", true),
        ("affirmation", false),
        ("nota_wrong", false),
        // The premises replace a question about presence by another one.
        ("premise_true", true),
        ("parents_wrong", false),
    ] {
        assert!(golds(id).iter().all(|(item, gold)| (clean[item] != *gold) == other), "{id}");
    }
}

#[test]
fn none_of_the_above_is_right_when_the_right_option_is_removed() {
    let kinds = ["nota_right", "nota_wrong"];
    let (suite, cases) = (suite(&kinds), cases(BALANCED));
    let plan = Plan::new(&suite, &cases);
    let run = evaluate(&plan, &mut Planted::knowing(&plan, Oracle));
    for id in kinds {
        for outcome in outcomes(&run, id) {
            let stored = [("q1", 4), ("q3", 3), ("q4", 2)].into_iter().find(|(item, _)| *item == outcome.item_id);
            let (_, stored) = stored.expect("only choices");
            // Both show as many options as the stored question.
            assert_eq!((outcome.options, outcome.chance), (stored, 1.0 / stored as f64));
            // Stored options keep their indices, and the added option has the next index.
            assert_eq!(outcome.index == Some(stored), id == "nota_right");
            assert_eq!(outcome.gold.starts_with("none "), id == "nota_right");
        }
    }
    // A model that picks the most plausible of the stored options is right in the control alone.
    let plausible = of(&kinds, Looker);
    expect(&plausible, "accuracy:nota_right", 0.0);
    expect(&plausible, "accuracy:nota_wrong", 1.0);
}

#[test]
fn an_ignored_negation_makes_the_answer_wrong() {
    let deaf = of(&["negation", "affirmation"], Looker);
    expect(&deaf, "accuracy:negation", 0.0);
    expect(&deaf, "accuracy:affirmation", 1.0);
    assert_eq!(deaf.conditions[1].n, 12);
}

/// Mock model that is right when the stored question is a line of its own.
struct Literal;

impl Policy for Literal {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let asked = words(view.query, 0);
        if asked.lines().any(|line| line == view.item.question) { view.gold() } else { "what?".to_owned() }
    }
}

#[test]
fn rewording_and_prefaces_keep_the_question() {
    let kinds = ["reworded", "hedge_low", "hedge_high", "hedge_neutral"];
    let literal = of(&kinds, Literal);
    expect(&literal, "accuracy:reworded", 0.0);
    kinds[1..].iter().for_each(|id| expect(&literal, &format!("accuracy:{id}"), 1.0));
    // No preface and no rewording names an answer, so HintFollower has nothing to follow.
    let follower = of(&kinds, HintFollower(Looker));
    kinds.iter().for_each(|id| expect(&follower, &format!("accuracy:{id}"), 1.0));
}

#[test]
fn a_hidden_instruction_changes_the_answer_and_the_report_alone_does_not() {
    let obeying = of(&["report_injected", "report_plain"], HintFollower(Looker));
    expect(&obeying, "accuracy:report_injected", 0.0);
    expect(&obeying, "accuracy:report_plain", 1.0);
    assert_eq!(obeying.conditions[1].followed, 48);
}

#[test]
fn rotations_show_every_option_at_every_position_once() {
    let suite = suite(&["permutation rotate=1", "permutation rotate=2", "permutation rotate=3"]);
    let (queries, _) = recorded(&suite, &cases(1), Oracle);
    for (item, count) in [("q1", 4), ("q3", 3), ("q4", 2)] {
        let orders: Vec<Vec<String>> = queries
            .iter()
            .filter(|query| query.item_id == item)
            .map(|query| words(query, 0).lines().filter_map(|line| Some(line.split_once(". ")?.1.to_owned())).collect())
            .collect();
        assert_eq!(orders.len(), count);
        for place in 0..count {
            assert_eq!(orders.iter().map(|order| &order[place]).collect::<BTreeSet<_>>().len(), count, "{orders:?}");
        }
    }
    let refused = suite::parse_suite("seed = 1", &[("r", "kind = \"permutation\"\nrotate = 0")]);
    assert!(refused.expect_err("no rotation").to_string().contains("nonzero"));
}

#[test]
fn a_recorded_paraphrase_replaces_the_stored_question() {
    let cases = synthetic(20);
    let suite = suite(&["paraphrase", "paraphrase number=0", "paraphrase number=7"]);
    let plan = Plan::new(&suite, &cases);
    for entry in &plan.entries {
        let (_, item) = plan.item(*entry);
        let asked = suite.conditions[entry.condition]
            .perturbation
            .perturb(&plan.scene(*entry))
            .expect("planned")
            .frame
            .question;
        match entry.condition {
            0 => assert_eq!(asked, None),
            1 => assert!(item.paraphrases.contains(&asked.expect("asked"))),
            2 => assert_eq!(asked.as_ref(), item.paraphrases.first()),
            other => panic!("condition {other} has no such wording to ask"),
        }
    }
    let items: usize = cases.iter().map(|case| case.chain.len()).sum();
    assert_eq!(plan.skipped[3]["no such other wording is recorded"], items);
    assert!(cases.iter().flat_map(|case| &case.chain).any(|item| matches!(item.answer, Answer::Box { .. })));
}
