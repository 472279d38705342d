//! Conditions that show the model its earlier answers: rebuttals and context.

use super::*;

const REBUTTALS: [&str; 4] = ["rebuttal_doubt", "rebuttal_wrong", "rebuttal_right", "rebuttal_repeat"];

#[test]
fn a_rebuttal_changes_the_answer_of_a_hint_follower_if_it_names_one() {
    for (follower, own) in
        [(of(&REBUTTALS, HintFollower(Looker)), 1.0), (of(&REBUTTALS, HintFollower(BlindPrior)), LUCK)]
    {
        expect(&follower, "accuracy:rebuttal_doubt", own);
        expect(&follower, "accuracy:rebuttal_repeat", own);
        expect(&follower, "accuracy:rebuttal_wrong", 0.0);
        expect(&follower, "accuracy:rebuttal_right", 1.0);
        let wrong = follower.conditions.iter().find(|condition| condition.id == "rebuttal_wrong").expect("asked");
        assert_eq!((wrong.n, wrong.followed), (48, 48));
    }
    let steady = of(&REBUTTALS, Looker);
    REBUTTALS.iter().for_each(|id| expect(&steady, &format!("accuracy:{id}"), 1.0));
}

#[test]
fn the_first_turn_is_the_models_own_reply_in_every_answer_form() {
    let cases = cases(3);
    // The last option, as a letter, as the option with the highest likelihood, and as generated text.
    let forms = [(AnswerForm::Letter, Scoring::Loglikelihood), (AnswerForm::Text, Scoring::Loglikelihood)];
    for (form, scoring) in forms.into_iter().chain([(AnswerForm::Text, Scoring::Generate)]) {
        let mut suite = suite(&REBUTTALS);
        (suite.answer_form, suite.scoring) = (form, scoring);
        let (queries, _) = recorded(&suite, &cases, LastOption);
        for query in &queries {
            let roles: Vec<Role> = query.conversation.messages.iter().map(|message| message.role).collect();
            if query.condition == "clean" {
                assert_eq!(roles, [Role::User]);
                continue;
            }
            assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
            let clean = queries.iter().find(|other| {
                (&other.case_id, &other.item_id, other.condition.as_str()) == (&query.case_id, &query.item_id, "clean")
            });
            assert_eq!(query.conversation.messages[0], clean.expect("asked").conversation.messages[0]);
            let last = match (query.item_id.as_str(), form) {
                ("q2", _) => "no",
                ("q1", AnswerForm::Letter) => "D",
                ("q3", AnswerForm::Letter) => "C",
                (_, AnswerForm::Letter) => "B",
                ("q1", _) => "ultrasound",
                ("q3", _) => "mixed",
                _ => "carcinoma",
            };
            assert_eq!(words(query, 1), last, "{form:?} {scoring:?}");
            assert!(words(query, 2).lines().last().expect("lines").starts_with("Answer "), "{}", words(query, 2));
        }
    }
}

#[test]
fn items_without_a_reply_for_the_second_turn_are_counted() {
    let (mut suite, cases) = (suite(&["rebuttal_repeat", "parents_predicted"]), cases(3));
    let plan = Plan::new(&suite, &cases);
    let run = evaluate(&plan, &mut Planted::new(&cases, Unparsable));
    let skips = run.skips(&plan);
    let count = |c: usize| skips[c].get(NO_REPLY).copied();
    // Nine of the twelve items build on other items.
    assert_eq!((count(0), count(1), count(2)), (None, Some(12), Some(9)));
    assert_eq!(run.outcomes.len(), 12);

    // Generated text is a reply even when it cannot be parsed.
    suite.scoring = Scoring::Generate;
    let (queries, run) = recorded(&suite, &cases, Unparsable);
    assert!(run.unanswerable.iter().all(BTreeMap::is_empty));
    let said = "I think that several answers are possible";
    let second = queries.iter().find(|query| query.condition == "rebuttal_repeat").expect("asked");
    assert_eq!(words(second, 1), said);
    let child = queries.iter().find(|query| query.condition == "parents_predicted").expect("asked");
    assert!(words(child, 0).starts_with(&format!("Known so far:\n- Which modality is this? {said}\n")));
}

#[test]
fn earlier_answers_are_requested_once_even_above_the_cap() {
    let (mut suite, cases) = (suite(&["rebuttal_wrong", "parents_predicted"]), cases(4));
    suite.conditions[0].max_items = Some(2);
    let plan = Plan::new(&suite, &cases);
    assert_eq!(plan.entries.iter().filter(|entry| entry.condition == 0).count(), 16);
    assert!(plan.skipped[0].is_empty(), "{:?}", plan.skipped[0]);
    let mut model = Planted::new(&cases, HintFollower(Looker));
    let first = evaluate(&plan, &mut model);
    assert_eq!((model.answered, first.outcomes.len()), (16 + 16 + 12, 16 + 16 + 12));
    model.answered = 0;
    let again = MockEvaluation { known: by_key(&first.outcomes), ..MockEvaluation::on(&load) }.run(&plan, &mut model);
    assert_eq!((model.answered, again.reused), (0, 44));
    assert_eq!(again.outcomes, first.outcomes);
    // A model with other earlier replies gets other queries.
    let known = by_key(first.outcomes.iter().filter(|outcome| outcome.condition != "clean"));
    let mut other = Planted::new(&cases, LastOption);
    let changed = MockEvaluation { known, ..MockEvaluation::on(&load) }.run(&plan, &mut other);
    let right = first.outcomes.iter().filter(|outcome| outcome.condition == "clean");
    let last = |o: &&Outcome| o.index == Some(o.options - 1);
    let same = right.filter(last).count();
    assert!(same > 0 && changed.reused >= same && other.answered > 16, "{same} {}", changed.reused);
}

/// Mock model that is right exactly when all answers given as context are right. Without context it answers by
/// its prior.
struct Trusting;

impl Policy for Trusting {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let told: Vec<String> =
            view.added_lines().into_iter().filter_map(|line| line.strip_prefix("- ").map(str::to_owned)).collect();
        if told.is_empty() {
            return BlindPrior.say(view);
        }
        let truth: Vec<String> =
            view.case.chain.iter().map(|item| format!("{} {}", item.question, gold_text(view.case, item))).collect();
        if told.iter().all(|line| truth.contains(line)) {
            return view.gold();
        }
        view.options().into_iter().find(|option| *option != view.gold()).expect("another option")
    }
}

#[test]
fn errors_propagate_as_far_as_the_context_reaches() {
    let kinds = [
        "parents_gold",
        "parents_predicted",
        "parents_wrong",
        "parents_predicted reach=\"ancestors\"",
        "parents_predicted reach=\"ancestors\" gold_stages=[1]",
        "parents_predicted reach=\"ancestors\" gold_stages=[3]",
    ];
    let trusting = of(&kinds, Trusting);
    expect(&trusting, "accuracy:parents_gold", 1.0);
    expect(&trusting, "accuracy:parents_wrong", 0.0);
    // Each question builds on the previous one, where the prior is right for 1 of 4, 1 of 2 and 1 of 3 cases.
    for (stage, parent_right) in [(2, 1.0 / 4.0), (3, 1.0 / 2.0), (4, 1.0 / 3.0)] {
        expect(&trusting, &format!("accuracy:parents_predicted:stage_{stage}"), parent_right);
    }
    // The last question builds on all three. All three are right only for case 0. With the right answer of stage 1
    // given, they are right for 0 and 6; with the right answer of stage 3 given, for 0, 4 and 8.
    for (id, right) in [("", 1.0), ("_gold_stages__1_", 2.0), ("_gold_stages__3_", 3.0)] {
        expect(&trusting, &format!("accuracy:parents_predicted_reach__ancestors_{id}:stage_4"), right / 12.0);
    }
    let gold = trusting.conditions.iter().find(|condition| condition.id == "parents_gold").expect("asked");
    assert_eq!((gold.n, gold.skipped), (36, 12));
}
