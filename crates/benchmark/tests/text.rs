//! Every change of the words on mock models whose values are known in advance.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use image::RgbImage;
use stepwise_benchmark::mock::{BlindPrior, HintFollower, LastOption, Oracle, Planted, Policy, Unparsable, View};
use stepwise_benchmark::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, Response};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{NO_REPLY, Run};
use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::{Answer, Case};
use stepwise_data::conversation::{Part, Role};
use stepwise_data::prompt::{AnswerForm, gold_text};
use stepwise_data::synth::{SynthOptions, record};

use common::{Looker, WORDS, ask, ask_again, ask_with, cases, expect, summary};

/// Number of cases; every combination of right answers (4 x 2 x 3) is equally frequent.
const CASES: usize = 12;
/// Accuracy of a blind prior over the four questions.
const LUCK: f64 = (1.0 / 4.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 2.0) / 4.0;

/// Returns a suite of the clean condition and one condition for each of `kinds`. An entry is a kind, followed by any
/// number of `key=value`. The id is the entry with every other character than letters and digits replaced by `_`.
fn suite(kinds: &[&str]) -> Suite {
    let mut text =
        "name = \"text\"\nversion = 1\nseed = 5\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n".to_owned();
    for written in kinds {
        let mut words = written.split(' ');
        let kind = words.next().expect("a kind");
        let id: String = written.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        text += &format!("[[condition]]\nid = \"{id}\"\nkind = \"{kind}\"\n");
        words.for_each(|pair| text += &format!("{pair}\n"));
    }
    Suite::parse(&text, Path::new("text.toml")).expect("valid")
}

fn of(kinds: &[&str], policy: impl Policy) -> Summary {
    let (suite, cases) = (suite(kinds), cases(CASES));
    let plan = Plan::new(&suite, &cases);
    summary(&plan, &ask(&plan, &mut Planted::new(&cases, policy)), None)
}

/// Mock model that answers like the inner one and records every query.
struct Recorded<'a, P> {
    inner: Planted<'a, P>,
    queries: Vec<Query>,
}

impl<P: Policy> Model for Recorded<'_, P> {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.queries.extend_from_slice(queries);
        self.inner.reply(queries)
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        self.inner.pixels(query)
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        self.inner.pixel_gradients(attacked)
    }
}

fn recorded(suite: &Suite, cases: &[Case], policy: impl Policy) -> (Vec<Query>, Run) {
    let mut model = Recorded { inner: Planted::new(cases, policy), queries: Vec::new() };
    let run = ask(&Plan::new(suite, cases), &mut model);
    (model.queries, run)
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
    let cases: Vec<Case> = (0..40).map(|index| record(index, &SynthOptions::default())).collect();
    let plan = Plan::new(&suite, &cases);
    let grey = |case: &Case, index: usize| {
        let image = &case.images[index];
        Ok(Arc::new(RgbImage::new(image.width, image.height)))
    };
    let run = ask_with(&plan, &grey, &mut Planted::knowing(&plan, Oracle));
    for condition in &suite.conditions {
        let asked: Vec<&Outcome> = outcomes(&run, &condition.id).collect();
        // No synthetic choice has enough options for these rotations.
        assert_eq!(asked.is_empty(), ["rotation_4", "rotation_5"].contains(&condition.id.as_str()), "{}", condition.id);
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
        ("premise_true", false),
        ("parents_wrong", false),
    ] {
        assert!(golds(id).iter().all(|(item, gold)| (clean[item] != *gold) == other), "{id}");
    }
}

const REBUTTALS: [&str; 4] = ["rebuttal_doubt", "rebuttal_wrong", "rebuttal_right", "rebuttal_repeat"];

#[test]
fn a_rebuttal_moves_who_follows_it_as_far_as_it_names_an_answer() {
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
fn the_first_turn_is_the_respondents_own_reply_in_every_form_of_answer() {
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
                ("q3", _) => "lobulated",
                _ => "carcinoma",
            };
            assert_eq!(words(query, 1), last, "{form:?} {scoring:?}");
            assert!(words(query, 2).lines().last().expect("lines").starts_with("Answer "), "{}", words(query, 2));
        }
    }
}

#[test]
fn without_a_reply_there_is_no_second_turn_and_that_is_counted() {
    let (mut suite, cases) = (suite(&["rebuttal_repeat", "parents_predicted"]), cases(3));
    let plan = Plan::new(&suite, &cases);
    let run = ask(&plan, &mut Planted::new(&cases, Unparsable));
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
fn what_was_said_before_is_asked_once_even_above_the_cap_and_never_again() {
    let (mut suite, cases) = (suite(&["rebuttal_wrong", "parents_predicted"]), cases(4));
    suite.conditions[0].max_items = Some(2);
    let plan = Plan::new(&suite, &cases);
    assert_eq!(plan.entries.iter().filter(|entry| entry.condition == 0).count(), 16);
    assert!(plan.skipped[0].is_empty(), "{:?}", plan.skipped[0]);
    let mut model = Planted::new(&cases, HintFollower(Looker));
    let first = ask(&plan, &mut model);
    assert_eq!((model.answered, first.outcomes.len()), (16 + 16 + 12, 16 + 16 + 12));
    let known: HashMap<_, _> = first.outcomes.iter().map(|outcome| (outcome.key.clone(), outcome.clone())).collect();
    model.answered = 0;
    let again = ask_again(&plan, &mut model, &known);
    assert_eq!((model.answered, again.reused), (0, 44));
    assert_eq!(again.outcomes, first.outcomes);
    // A model with other earlier replies gets other queries.
    let known = first.outcomes.iter().filter(|outcome| outcome.condition != "clean");
    let known: HashMap<_, _> = known.map(|outcome| (outcome.key.clone(), outcome.clone())).collect();
    let mut other = Planted::new(&cases, LastOption);
    let changed = ask_again(&plan, &mut other, &known);
    let right = first.outcomes.iter().filter(|outcome| outcome.condition == "clean");
    let last = |o: &&Outcome| o.index == Some(o.options - 1);
    let same = right.filter(last).count();
    assert!(same > 0 && changed.reused >= same && other.answered > 16, "{same} {}", changed.reused);
}

/// Mock model that is right exactly when all answers given as context are right. Without context it answers by
/// its prior.
struct Trusting;

impl Policy for Trusting {
    fn say(&self, view: &View<'_>) -> String {
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
fn errors_travel_down_the_chain_as_far_as_the_context_carries_them() {
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

#[test]
fn none_of_the_above_is_right_where_the_right_option_is_gone() {
    let kinds = ["nota_right", "nota_wrong"];
    let last = of(&kinds, LastOption);
    expect(&last, "accuracy:nota_right", 1.0);
    expect(&last, "accuracy:nota_wrong", 0.0);
    let (suite, cases) = (suite(&kinds), cases(CASES));
    let plan = Plan::new(&suite, &cases);
    let run = ask(&plan, &mut Planted::knowing(&plan, Oracle));
    for (id, more) in [("nota_right", 0), ("nota_wrong", 1)] {
        for outcome in outcomes(&run, id) {
            let stored = [("q1", 4), ("q3", 3), ("q4", 2)].into_iter().find(|(item, _)| *item == outcome.item_id);
            let (_, stored) = stored.expect("only choices");
            assert_eq!((outcome.options, outcome.chance), (stored + more, 1.0 / (stored + more) as f64));
            // Stored options keep their indices, and the added option has the next index.
            assert_eq!(outcome.index == Some(stored), more == 0);
            assert_eq!(outcome.gold.starts_with("none "), more == 0);
        }
    }
}

#[test]
fn a_false_premise_catches_who_never_questions_and_a_true_one_who_always_does() {
    let kinds = ["premise_false", "premise_true"];
    let (believer, denier) = (of(&kinds, Looker), of(&kinds, LastOption));
    for (summary, when_false, when_true) in [(&believer, 0.0, 1.0), (&denier, 1.0, 0.0)] {
        expect(summary, "accuracy:premise_false", when_false);
        expect(summary, "accuracy:premise_true", when_true);
        // Only the last two questions are choices after the first stage.
        assert_eq!(summary.conditions[1].n, 24);
    }
    let (queries, _) = recorded(&suite(&kinds), &cases(CASES), Looker);
    for query in queries.iter().filter(|query| query.item_id == "q3" && query.condition != "clean") {
        let number: usize = query.case_id.trim_start_matches("case-").parse().expect("a number");
        let answer = if number.is_multiple_of(2) == (query.condition == "premise_true") { "yes" } else { "no" };
        let line = words(query, 0).lines().next().expect("a line").to_owned();
        assert!(line.contains("\"Is anything abnormal?\"") && line.contains(&format!(" {answer} ")), "{line}");
        assert!(line.ends_with("How is its margin?"), "{line}");
    }
}

#[test]
fn a_negation_turns_the_answer_of_who_does_not_hear_it_wrong() {
    let deaf = of(&["negation", "affirmation"], Looker);
    expect(&deaf, "accuracy:negation", 0.0);
    expect(&deaf, "accuracy:affirmation", 1.0);
    assert_eq!(deaf.conditions[1].n, 12);
}

/// Mock model that is right when the stored question is a line of its own.
struct Literal;

impl Policy for Literal {
    fn say(&self, view: &View<'_>) -> String {
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
fn a_hidden_instruction_moves_who_obeys_and_the_report_alone_nobody() {
    let obeying = of(&["report_injected", "report_plain"], HintFollower(Looker));
    expect(&obeying, "accuracy:report_injected", 0.0);
    expect(&obeying, "accuracy:report_plain", 1.0);
    assert_eq!(obeying.conditions[1].followed, 48);
}

#[test]
fn rotations_show_every_option_in_every_place_once() {
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
    let refused = Suite::parse(
        "name=\"s\"\nversion=1\nseed=1\n[[condition]]\nid=\"r\"\nkind=\"permutation\"\nrotate=0\n",
        Path::new("s.toml"),
    );
    assert!(refused.expect_err("no rotation").to_string().contains("nonzero"));
}

#[test]
fn a_recorded_wording_is_asked_in_place_of_the_stored_one() {
    let cases: Vec<Case> = (0..20).map(|index| record(index, &SynthOptions::default())).collect();
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
