//! Runs: no question is asked twice, outcomes are stored, and an interrupted run continues with the same outcomes.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::mock::{HintFollower, Oracle, Planted};
use stepwise_benchmark::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, QueryImage, Response};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{self, Options, RunError};
use stepwise_benchmark::store;
use stepwise_data::case::{Answer, Case};
use stepwise_testing::benchmark::constructed::{self, FINDING, Looker, SIDE, cases, evaluate, load, recorded};
use stepwise_testing::benchmark::evaluate::{MockEvaluation, by_key};
use stepwise_testing::benchmark::suite::{WORDS, suite_of, uncapped};

#[test]
fn known_questions_are_not_asked_again() {
    let (suite, cases) = (uncapped(), cases(5));
    let plan = Plan::new(&suite, &cases);
    let mut model = Planted::new(&cases, HintFollower(Looker));
    let first = evaluate(&plan, &mut model);
    let known = by_key(&first.outcomes);
    model.answered = 0;
    let resumed = || MockEvaluation { known: known.clone(), ..MockEvaluation::on(&load) };
    let again = resumed().run(&plan, &mut model);
    assert_eq!((model.answered, again.asked, again.reused), (0, 0, first.outcomes.len()));
    assert_eq!(again.outcomes, first.outcomes);

    // A changed question gets another key.
    let mut changed = cases.clone();
    changed[2].chain[0].question.push('?');
    let plan = Plan::new(&suite, &changed);
    let mut model = Planted::new(&changed, HintFollower(Looker));
    let again = resumed().run(&plan, &mut model);
    assert!(
        again
            .outcomes
            .iter()
            .all(|outcome| known.contains_key(&outcome.key)
                != (outcome.case_id == "case-002" && outcome.item_id == "q1"))
    );
    assert_eq!(again.asked, again.outcomes.iter().filter(|o| !known.contains_key(&o.key)).count());
}

/// Conditions that ask another question, such as negations, count as the question of the stored item.
#[test]
fn outcomes_of_every_condition_name_the_stored_question() {
    let (suite, cases) = (suite_of("seed = 5", &[&["clean"], WORDS.as_slice()].concat()), cases(12));
    let plan = Plan::new(&suite, &cases);
    let first = evaluate(&plan, &mut Planted::new(&cases, Oracle));
    let again = MockEvaluation { known: by_key(&first.outcomes), ..MockEvaluation::on(&load) }
        .run(&plan, &mut Planted::new(&cases, Oracle));
    let mut replaced = std::collections::BTreeSet::new();
    for outcome in first.outcomes.iter().chain(&again.outcomes) {
        let entry = plan.entry(&outcome.case_id, &outcome.item_id, &outcome.condition).expect("asked");
        let case = cases.iter().find(|case| case.case_id == outcome.case_id).expect("a case");
        let stored = case.chain.iter().find(|item| item.id == outcome.item_id).expect("a question");
        assert_eq!(outcome.question, stored.question, "{}", outcome.condition);
        if plan.item(entry).1.question != stored.question {
            replaced.insert(suite.conditions[entry.condition].kind);
        }
    }
    assert!(replaced.contains("negation") && replaced.contains("affirmation"), "{replaced:?}");
}

#[test]
fn stored_outcomes_are_read_again_and_all_bad_lines_are_named() {
    let (suite, cases) = (uncapped(), cases(3));
    let run = evaluate(&Plan::new(&suite, &cases), &mut Planted::new(&cases, Oracle));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/outcomes.jsonl");
    store::write(&path, &run.outcomes).expect("written");
    assert_eq!(store::read(&path).expect("read"), run.outcomes);
    assert_eq!(std::fs::read_dir(path.parent().expect("a parent")).expect("readable").count(), 1);

    let mut text = std::fs::read_to_string(&path).expect("read");
    text.push_str("{\"case_id\": 3}\nnot json\n");
    std::fs::write(&path, text).expect("written");
    let message = store::read(&path).expect_err("broken").to_string();
    let rows = run.outcomes.len();
    assert!(message.contains(&format!("outcomes.jsonl:{}: ", rows + 1)), "{message}");
    assert!(message.contains(&format!("outcomes.jsonl:{}: ", rows + 2)), "{message}");
}

#[test]
fn images_are_as_their_condition_says() {
    let cases = cases(4);
    let queries = recorded(&uncapped(), &cases, Oracle).0;
    let shown = |query: &Query| match &query.images[0] {
        QueryImage::Image(picture) => Arc::clone(picture),
        QueryImage::Pixels(_) => panic!("nothing is attacked here"),
    };
    for query in &queries {
        let case = cases.iter().find(|case| case.case_id == query.case_id).expect("known");
        let (own, shown) = (constructed::picture(case), shown(query));
        let changed: Vec<(u32, u32)> = own
            .enumerate_pixels()
            .filter(|(x, y, pixel)| shown.get_pixel(*x, *y) != *pixel)
            .map(|(x, y, _)| (x, y))
            .collect();
        let [x0, y0, x1, y1] = FINDING;
        let inside = |&(x, y): &(u32, u32)| (x0..x1).contains(&x) && (y0..y1).contains(&y);
        match query.condition.as_str() {
            "clean" | "hint_plus" | "hint_minus" | "hint_zero" | "permutation" => assert!(changed.is_empty()),
            "blank" => assert!(shown.pixels().all(|pixel| *pixel == Rgb([128; 3]))),
            // The finding has 12 x 12 pixels, is grown by 4 on each side, and is moved as a whole.
            "region_mask" => assert_eq!((changed.len(), changed.iter().filter(|at| inside(at)).count()), (400, 144)),
            "random_mask" => assert!(changed.len() >= 399 && !changed.iter().any(inside), "{}", changed.len()),
            "cue_true" | "cue_wrong" | "cue_neutral" => {
                // A line of two pixels around 12 x 12 pixels. At an edge a part of the line lies off the image.
                let line = 16 * 16 - 12 * 12;
                assert!(changed.len() == line || query.condition != "cue_true" && changed.len() >= line / 2);
                assert!(!changed.iter().any(inside));
                assert!(changed.iter().all(|&(x, y)| *shown.get_pixel(x, y) == Rgb([255, 64, 64])));
                let near = changed.iter().all(|&(x, y)| (x0 - 2..x1 + 2).contains(&x) && (y0 - 2..y1 + 2).contains(&y));
                assert_eq!(near, query.condition == "cue_true");
            }
            "gaussian_noise" => assert!(changed.len() > (SIDE * SIDE * 9 / 10) as usize),
            "swap_near" | "swap_same" => {
                let (_, other) = cases
                    .iter()
                    .map(|case| (case, constructed::picture(case)))
                    .find(|(_, picture)| *picture == *shown)
                    .map(|(other, _)| (case, other))
                    .expect("a picture of the pool");
                assert_ne!(other.group_id, case.group_id);
                let gold = |case: &Case| {
                    let item = case.chain.iter().find(|item| item.id == query.item_id).expect("the same chain");
                    match &item.answer {
                        Answer::Choice { gold, .. } => gold[0],
                        Answer::Yesno { gold, .. } => usize::from(*gold),
                        _ => unreachable!("no other answers here"),
                    }
                };
                assert_eq!(gold(other) == gold(case), query.condition == "swap_same");
            }
            other => panic!("{other} is not checked"),
        }
    }
    // All items of a case with the same edit share one edited image.
    let noisy: Vec<_> = queries
        .iter()
        .filter(|query| query.condition == "gaussian_noise" && query.case_id == "case-000")
        .map(shown)
        .collect();
    assert!(noisy.len() == 4 && noisy.iter().all(|picture| Arc::ptr_eq(picture, &noisy[0])));
}

#[test]
fn answers_of_every_type_are_hinted_at_and_judged() {
    let case: Case = serde_json::from_value(json!({
        "schema": "case/1", "case_id": "a", "group_id": "a", "split": "test",
        "source": {"dataset": "constructed", "licence": "CC0-1.0"}, "modality": "ct",
        "images": [{"id": "i", "path": "i.png", "sha256": "", "width": SIDE, "height": SIDE}],
        "regions": [{"id": "r", "image": "i", "label": "finding", "kind": "box", "box": [8, 8, 20, 20], "role": "finding"}],
        "chain": [
            {"id": "number", "stage": 2, "category": "14", "question": "How many?",
             "answer": {"type": "number", "gold": 3.0, "abs_tol": 0.0}},
            {"id": "box", "stage": 2, "category": "12", "question": "Where?",
             "answer": {"type": "box", "gold": ["r"], "iou_ok": 0.5}},
            {"id": "text", "stage": 4, "category": "25", "question": "What?",
             "answer": {"type": "text", "gold": ["Cyst"], "aliases": ["benign cyst"]}},
            {"id": "confusable", "stage": 3, "category": "18", "question": "Which?", "confusable": [2],
             "answer": {"type": "choice", "options": ["a1", "b1", "c1", "d1"], "gold": [0]}}
        ]
    }))
    .expect("valid");
    let mut other = case.clone();
    (other.case_id, other.group_id) = ("b".into(), "b".into());
    other.chain[2].answer = Answer::Text { gold: vec!["Abscess".into()], aliases: Vec::new() };
    let cases = [case, other];
    let suite = uncapped();
    let plan = Plan::new(&suite, &cases);
    let run = evaluate(&plan, &mut Planted::new(&cases, HintFollower(Oracle)));
    let outcome = |item: &str, condition: &str| {
        let is = |o: &&stepwise_benchmark::outcome::Outcome| {
            o.case_id == "a" && o.item_id == item && o.condition == condition
        };
        run.outcomes.iter().find(is)
    };
    for item in ["number", "box", "text", "confusable"] {
        assert!(outcome(item, "clean").expect("asked").is_right(), "{item}");
    }
    assert!(outcome("box", "clean").expect("asked").iou.expect("a box") > 0.85);
    let named = |item: &str| outcome(item, "hint_minus").expect("asked").named.clone().expect("named").text;
    // A wrong count is near the right one.
    assert!(["0", "1", "2", "4", "5", "6"].contains(&named("number").as_str()), "{}", named("number"));
    assert_eq!((named("text").as_str(), named("confusable").as_str()), ("Abscess", "c1"));
    assert!(outcome("box", "hint_minus").is_none());
    let misled = outcome("confusable", "hint_minus").expect("asked");
    assert!(misled.followed && !misled.is_right());
    assert!(outcome("text", "hint_plus").expect("asked").followed);
}

#[test]
fn a_wrong_image_size_and_a_stop_end_the_run_with_a_reason() {
    let (suite, cases) = (uncapped(), cases(3));
    let plan = Plan::new(&suite, &cases);
    let mut go_on = |_: runner::RunProgress<'_>| ControlFlow::Continue(());
    let small = |_: &Case, _: usize| Ok(Arc::new(RgbImage::new(3, 3)));
    let mut model = Planted::new(&cases, Oracle);
    let options = Options { model: "p", known: &HashMap::new(), batch: 4, surrogate: None, progress: &mut go_on };
    let error = runner::run(&plan, &small, &mut model, options).expect_err("too small");
    assert!(
        error.to_string().contains("case case-000, image 0: has size (3, 3), but the case states (64, 64)"),
        "{error}"
    );

    let mut stop = |progress: runner::RunProgress<'_>| {
        assert!(!progress.fresh.is_empty() && progress.done < progress.total);
        ControlFlow::Break(())
    };
    let options = Options { model: "p", known: &HashMap::new(), batch: 4, surrogate: None, progress: &mut stop };
    assert!(matches!(runner::run(&plan, &load, &mut model, options), Err(RunError::Stopped)));
}

/// Mock model that records the batch sizes and stops after a number of batches.
struct Tired<'a, R> {
    inside: &'a mut R,
    batches: Vec<usize>,
    left: usize,
}

impl<R: Model> Model for Tired<'_, R> {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.left = self.left.checked_sub(1).ok_or(ModelError::Stopped)?;
        self.batches.push(queries.len());
        self.inside.reply(queries)
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        self.inside.pixels(query)
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        self.inside.pixel_gradients(attacked)
    }
}

#[test]
fn an_interrupted_run_keeps_its_answers_and_continues_in_the_same_batches() {
    // Rebuttals and contexts show earlier answers, so these conditions run after the clean questions.
    let suite = suite_of("seed = 1", &["clean", "hint_minus", "rebuttal_doubt", "parents_predicted", "blank"]);
    let cases = cases(12);
    let plan = Plan::new(&suite, &cases);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/answers.jsonl");
    let asked = |model: &mut Planted<'_, HintFollower<Looker>>, batches: usize, path: &std::path::Path| {
        let (mut journal, held) = store::Journal::open(path).expect("opened");
        let known = by_key(&held);
        let mut tired = Tired { inside: model, batches: Vec::new(), left: batches };
        let mut progress = |now: runner::RunProgress<'_>| {
            journal.keep(now.fresh).expect("kept");
            ControlFlow::Continue(())
        };
        let options = Options { model: "planted", known: &known, batch: 20, surrogate: None, progress: &mut progress };
        let ran = runner::run(&plan, &load, &mut tired, options);
        (ran, tired.batches, known.len())
    };
    let mut model = Planted::new(&cases, HintFollower(Looker));
    let (whole, batches, _) = asked(&mut model, usize::MAX, &folder.path().join("whole.jsonl"));
    let whole = whole.expect("runs");
    assert!(batches.len() > 4, "{batches:?}");
    for stop in 0..batches.len() {
        let path = path.with_file_name(format!("{stop}.jsonl"));
        let mut model = Planted::new(&cases, HintFollower(Looker));
        let (stopped, before, _) = asked(&mut model, stop, &path);
        assert!(matches!(stopped, Err(RunError::Stopped)));
        // A killed process can leave part of the last line, part of the end of the last batch, or part of its middle.
        let mut left = std::fs::read(&path).expect("there");
        match stop % 3 {
            0 => left.extend_from_slice(b"{\"key\": \"torn"),
            1 => left.truncate(left.len() - 1),
            _ => left.truncate(left.len() - 700),
        }
        std::fs::write(&path, left).expect("written");
        let (resumed, after, known) = asked(&mut model, usize::MAX, &path);
        let resumed = resumed.expect("runs");
        assert_eq!(resumed.outcomes, whole.outcomes);
        assert_eq!((resumed.reused, resumed.asked), (known, whole.asked - known));
        if stop % 3 == 0 {
            assert_eq!((before.len(), before.iter().sum()), (stop, known), "all answers before the stop are kept");
        }
        // No answer of an incomplete batch is kept.
        assert!(batches.ends_with(&after), "stopped before batch {stop}: {before:?}, {after:?} of {batches:?}");
        assert_eq!(known, batches[..batches.len() - after.len()].iter().sum::<usize>());
        assert_eq!(store::Journal::open(&path).expect("opened").1.len(), whole.asked, "each answer is kept once");
    }
}
