//! Metrics beside accuracy, on outcomes whose values are known in advance: the commonest answers, yes/no bias,
//! calibration, consistency over other words, choices along the stages and ancestor chains.

use serde_json::{Value, json};
use stepwise_benchmark::metrics::OneAnswerQuestion;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::summary::Summary;
use stepwise_testing::benchmark::suite::suite_of;
use stepwise_testing::benchmark::values::{expect, expect_all, expect_undefined};

/// Returns the clean outcome of one item; `more` replaces or adds keys.
fn outcome(case: usize, item: &str, more: Value) -> Outcome {
    let mut json = json!({
        "case_id": format!("{case:02}"), "group_id": format!("{case:02}"), "item_id": item, "stage": 1,
        "category": "01", "question": item, "condition": "clean", "gold": "yes", "chance": 0.5, "verdict": "right",
    });
    json.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    serde_json::from_value(json).expect("a valid outcome")
}

fn verdict(is_right: bool) -> &'static str {
    if is_right { "right" } else { "wrong" }
}

fn summary(outcomes: &[Outcome]) -> Summary {
    Summary::new(&suite_of("seed = 1", &["clean", "paraphrase", "reworded"]), &[], outcomes, None)
}

/// Four cases with two questions each, of which the first is answered "yes" in all cases and the second in three of
/// four, and a question of one case. `is_right` decides by case and question.
fn two_questions(is_right: impl Fn(usize, &str) -> bool) -> Vec<Outcome> {
    let of_case = |case: usize| {
        let second = if case == 3 { "no" } else { "yes" };
        [("abnormal?", "yes"), ("left?", second)]
            .map(|(item, gold)| outcome(case, item, json!({"gold": gold, "verdict": verdict(is_right(case, item))})))
    };
    let mut outcomes: Vec<Outcome> = (0..4).flat_map(of_case).collect();
    let once = json!({"gold": "CT", "chance": 0.25, "stage": 2, "verdict": verdict(is_right(0, "once?"))});
    outcomes.push(outcome(0, "once?", once));
    outcomes
}

#[test]
fn accuracy_is_corrected_by_the_commonest_answer_of_each_question() {
    // The baseline is 1 on the first question, 3/4 on the second, and a random pick on the question of one case.
    let baseline = (4.0 * 1.0 + 4.0 * 0.75 + 0.25) / 9.0;
    let first_stage = (4.0 + 3.0) / 8.0;
    let commonest = summary(&two_questions(|case, item| case != 3 && item != "once?" || item == "abnormal?"));
    let oracle = summary(&two_questions(|_, _| true));
    for found in [&commonest, &oracle] {
        expect(found, "majority_accuracy", baseline);
        expect(found, "one_answer_share", 4.0 / 9.0);
        let question = OneAnswerQuestion { question: "abnormal?".into(), gold: "yes".into(), items: 4 };
        assert_eq!(found.one_answer_questions, [question]);
    }
    // A model that gives the commonest answer has no skill. A random pick is above it: chance here is 1/2.
    expect(&commonest, "accuracy:clean:stage_1", first_stage);
    expect(&commonest, "majority_corrected:stage_1", 0.0);
    expect(&commonest, "chance_corrected:stage_1", (first_stage - 0.5) / 0.5);
    expect(&commonest, "majority_corrected:stage_2", -0.25 / 0.75);
    expect(&oracle, "majority_corrected", 1.0);
    // Without information there is nothing to be gained.
    let uninformative: Vec<Outcome> =
        two_questions(|_, _| true).into_iter().filter(|outcome| outcome.item_id == "abnormal?").collect();
    expect_undefined(&summary(&uninformative), "majority_corrected");
    expect(&summary(&uninformative), "one_answer_share", 1.0);
}

#[test]
fn the_yes_bias_is_the_surplus_of_yes() {
    // Ten questions of which four are rightly "yes", answered as `answer` says.
    let of = |answer: fn(usize) -> Option<&'static str>| {
        let of_case = |case: usize| {
            let (gold, given) = (if case < 4 { "yes" } else { "no" }, answer(case));
            let verdict = given.map_or("unparsed", |given| verdict(given == gold));
            outcome(case, "q", json!({"gold": gold, "answer": given, "options": 2, "verdict": verdict}))
        };
        summary(&(0..10).map(of_case).collect::<Vec<_>>())
    };
    let yea_sayer = of(|_| Some("yes"));
    expect_all(&yea_sayer, &[("yes_bias", 0.6), ("false_positive_ratio", 1.0)]);
    let nay_sayer = of(|_| Some("no"));
    expect_all(&nay_sayer, &[("yes_bias", -0.4), ("false_positive_ratio", 0.0)]);
    // One error of each kind.
    let even = of(|case| Some(if matches!(case, 1..=4) { "yes" } else { "no" }));
    expect_all(&even, &[("yes_bias", 0.0), ("false_positive_ratio", 0.5)]);
    let right = of(|case| Some(if case < 4 { "yes" } else { "no" }));
    expect(&right, "yes_bias", 0.0);
    expect_undefined(&right, "false_positive_ratio");
    expect_undefined(&of(|_| None), "yes_bias");
    // A choice is no yes/no question.
    let choice = outcome(0, "q", json!({"gold": "CT", "answer": "CT", "options": 2}));
    expect_undefined(&summary(&[choice]), "yes_bias");
}

/// Outcome of a question whose options have these log-likelihoods.
fn scored(case: usize, scores: &[f64], right: &[usize]) -> Outcome {
    let scores: Vec<Value> = scores.iter().map(|score| json!({"loglikelihood": score, "tokens": 2})).collect();
    outcome(case, "q", json!({"gold": "CT", "scores": scores, "right_scores": right}))
}

#[test]
fn calibration_of_known_probabilities() {
    // Four answers with the probabilities 0.8 and 0.2, of which three are right.
    let (likely, unlikely) = (0.8f64.ln(), 0.2f64.ln());
    let mut outcomes: Vec<Outcome> = (0..4).map(|case| scored(case, &[likely, unlikely], &[case / 3])).collect();
    // Two right options have no single class that occurs, and generated answers have no probabilities.
    outcomes.push(scored(4, &[likely, unlikely, unlikely], &[0, 1]));
    outcomes.push(outcome(5, "q", json!({})));
    let found = summary(&outcomes);
    expect_all(
        &found,
        &[
            ("brier_score", (3.0 * 2.0 * 0.04 + 2.0 * 0.64) / 4.0),
            ("overconfidence", 0.8 - 0.75),
            ("calibration_error", 0.05),
        ],
    );
    assert_eq!(found.estimate("brier_score").map(|found| found.n), Some(4));
    assert!(found.estimate("brier_score").is_some_and(|found| found.ci.is_none()), "one question has no interval");
    // Two bins, one too sure by 0.3 and one too unsure by 0.3, cancel in the overconfidence only.
    let even = [scored(0, &[0.7f64.ln(), 0.3f64.ln()], &[0]), scored(1, &[0.3f64.ln(), 0.7f64.ln()], &[1])];
    let wrong = [scored(2, &[0.8f64.ln(), 0.2f64.ln()], &[0]), scored(3, &[0.8f64.ln(), 0.2f64.ln()], &[1])];
    let found = summary(&[even, wrong].concat());
    expect_all(&found, &[("overconfidence", 0.0), ("calibration_error", 0.3)]);
    // Equal scores that are infinite or missing give no probabilities.
    let none =
        outcome(0, "q", json!({"gold": "CT", "scores": [{"loglikelihood": null, "tokens": 2}], "right_scores": [0]}));
    expect_undefined(&summary(&[none]), "brier_score");
}

#[test]
fn calibration_equals_the_reference() {
    let reference: Value =
        serde_json::from_str(include_str!("../../../../tests/parity/calibration.json")).expect("JSON");
    for set in reference["sets"].as_array().expect("a list") {
        let items = set["items"].as_array().expect("a list").iter().enumerate();
        let outcomes: Vec<Outcome> = items
            .map(|(case, item)| {
                let scores: Vec<f64> = serde_json::from_value(item["scores"].clone()).expect("numbers");
                scored(case, &scores, &[item["gold"].as_u64().expect("an index") as usize])
            })
            .collect();
        let found = summary(&outcomes);
        for id in ["brier_score", "overconfidence", "calibration_error"] {
            expect(&found, id, set[id].as_f64().expect("a number"));
        }
    }
}

#[test]
fn consistency_is_the_share_of_equal_answers_to_other_words() {
    let mut outcomes = Vec::new();
    for case in 0..4 {
        for (condition, answer) in [("clean", "yes"), ("paraphrase", ["yes", "no"][case % 2]), ("reworded", "yes")] {
            outcomes.push(outcome(case, "q", json!({"condition": condition, "answer": answer})));
        }
    }
    // Another right answer must be answered otherwise, so the item says nothing of consistency.
    let changed = outcomes.iter_mut().find(|outcome| outcome.case_id == "03" && outcome.condition == "reworded");
    changed.expect("there").gold = "no".to_owned();
    let found = summary(&outcomes);
    expect_all(
        &found,
        &[("paraphrase_consistency", 0.5), ("flip_rate:paraphrase", 0.5), ("rewording_consistency", 1.0)],
    );
    assert_eq!(found.estimate("rewording_consistency").map(|found| found.n), Some(3));
}

/// A chain of choices, right on all stages but the last, with a box in stage 4 that is right.
fn falling(case: usize) -> Vec<Outcome> {
    let choice = |stage: u8, parents: &[&str], is_right: bool| {
        let more = json!({
            "stage": stage, "gold": "smooth", "options": 4, "chance": 0.25, "parents": parents,
            "verdict": verdict(is_right),
        });
        outcome(case, &format!("s{stage}"), more)
    };
    let rectangle = json!({"stage": 4, "gold": "[1, 2, 3, 4]", "options": 0, "chance": 0.0, "parents": ["s2"]});
    vec![
        choice(1, &[], case != 0),
        choice(2, &["s1"], true),
        choice(3, &["s2"], true),
        choice(4, &["s3"], false),
        outcome(case, "box", rectangle),
    ]
}

#[test]
fn the_fall_along_the_stages_is_matched_in_answer_form() {
    let outcomes: Vec<Outcome> = (1..6).flat_map(falling).collect();
    let found = summary(&outcomes);
    // Of the choices in stage 4 none is right: (0 - 1/4) / (3/4). With the box, half are: (1/2 - 1/8) / (7/8).
    let (choices, all) = (-1.0 / 3.0, 3.0 / 7.0);
    expect_all(
        &found,
        &[
            ("chance_corrected:stage_4", all),
            ("chance_corrected:stage_4:choice", choices),
            ("stage_fall", 1.0 - all),
            ("stage_fall:choice", 1.0 - choices),
            ("stage_slope:choice", -0.3 - 0.1 + 0.1 + 0.3 * choices),
        ],
    );
    assert_eq!(found.estimate("stage_slope:choice").map(|found| found.n), Some(5));
    // Yes/no questions are no choices, so the chain of choices is not complete.
    let mut outcomes = outcomes;
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.stage == 2) {
        (outcome.gold, outcome.options) = ("yes".to_owned(), 2);
    }
    expect_undefined(&summary(&outcomes), "stage_slope:choice");
}

#[test]
fn a_conclusion_counts_with_all_that_it_builds_on() {
    let outcomes: Vec<Outcome> = (0..6).flat_map(falling).collect();
    let found = summary(&outcomes);
    // The choices of stage 4 are wrong. The boxes are right; they build on stages 1 and 2, which are right but for the
    // first case. No whole chain is right.
    expect_all(&found, &[("ancestor_chain_accuracy", 5.0 / 12.0), ("chain_accuracy", 0.0)]);
    let estimate = found.estimate("ancestor_chain_accuracy").expect("known");
    assert!(estimate.n == 12 && estimate.ci.is_some() && estimate.clusters == 6, "{estimate:?}");
    // An item whose ancestor was not evaluated is left out, as is one that builds on nothing.
    let without: Vec<Outcome> = outcomes.iter().filter(|outcome| outcome.item_id != "s1").cloned().collect();
    expect_undefined(&summary(&without), "ancestor_chain_accuracy");
    let alone = outcome(0, "alone", json!({"stage": 4}));
    expect_undefined(&summary(&[alone]), "ancestor_chain_accuracy");
}
