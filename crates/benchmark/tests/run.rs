//! Plans and runs: no item is dropped without a count, no question is asked twice, and every epoch has the same plan.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::mock::{HintFollower, Oracle, Planted};
use stepwise_benchmark::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, Response, Shown};
use stepwise_benchmark::plan::{Entry, Plan};
use stepwise_benchmark::runner::{self, Options, RunError};
use stepwise_benchmark::store;
use stepwise_benchmark::subset::OUTSIDE;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::{Answer, Case};

use common::{FINDING, Looker, SIDE, ask, ask_again, cases, load, uncapped};

#[test]
fn every_item_is_asked_or_counted_under_its_reason() {
    let (suite, cases) = (uncapped(), cases(6));
    let plan = Plan::new(&suite, &cases);
    for (c, condition) in suite.conditions.iter().enumerate() {
        let asked = plan.entries.iter().filter(|entry| entry.condition == c).count();
        let skipped: usize = plan.skipped[c].values().sum();
        assert_eq!(asked + skipped, 24, "{}", condition.id);
    }
    let reasons = |id: &str| {
        let c = suite.conditions.iter().position(|condition| condition.id == id).expect("known");
        plan.skipped[c].clone()
    };
    assert_eq!(reasons("region_mask").into_iter().collect::<Vec<_>>(), [("no evidence region", 6)]);
    assert_eq!(reasons("permutation").into_iter().collect::<Vec<_>>(), [("only a choice has options to reorder", 6)]);
}

#[test]
fn a_subset_asks_what_it_names_and_counts_the_rest() {
    let mut cases = cases(6);
    for case in cases.iter_mut().step_by(2) {
        case.modality = "mr".to_owned();
    }
    let text = "name = \"s\"\nversion = 1\nseed = 1\nsubset = { stages = [1, 2, 3] }\n\
        [[condition]]\nid = \"clean\"\nkind = \"clean\"\n\
        [[condition]]\nid = \"blank\"\nkind = \"blank\"\nsubset = { stages = [3, 4], modalities = [\"ct\"] }\n\
        [[condition]]\nid = \"nothing\"\nkind = \"blank\"\nsubset = { categories = [\"of no item\"] }\n";
    let suite = Suite::parse(text, Path::new("s.toml")).expect("valid");
    let plan = Plan::new(&suite, &cases);
    let of = |condition: usize| plan.entries.iter().filter(move |entry| entry.condition == condition);
    let all: usize = cases.iter().map(|case| case.chain.len()).sum();
    for condition in 0..3 {
        let skipped: usize = plan.skipped[condition].values().sum();
        assert_eq!(of(condition).count() + skipped, all, "{condition}");
    }
    let stage = |entry: &Entry| plan.item(*entry).1.stage;
    assert!(of(0).all(|entry| stage(entry) <= 3) && of(0).any(|entry| stage(entry) == 3));
    assert!(of(1).all(|entry| stage(entry) == 3 && plan.item(*entry).0.modality == "ct"));
    let expected = cases.iter().filter(|case| case.modality == "ct").flat_map(|case| &case.chain);
    assert_eq!(of(1).count(), expected.filter(|item| item.stage == 3).count());
    assert_eq!(plan.skipped[2], [(OUTSIDE, all)].into());
    // Cases without questions do not count towards the limit on cases.
    let of_ct = "name = \"s\"\nversion = 1\nseed = 1\nmax_cases = 2\nsubset = { modalities = [\"ct\"] }\n\
        [[condition]]\nid = \"clean\"\nkind = \"clean\"\n";
    let suite = Suite::parse(of_ct, Path::new("s.toml")).expect("valid");
    let plan = Plan::new(&suite, &cases);
    assert_eq!(plan.chosen.len(), 2);
    assert!(plan.chosen.iter().all(|case| cases[*case].modality == "ct"));
}

#[test]
fn evidence_that_fills_most_of_a_picture_is_not_covered() {
    let suite = uncapped();
    let skipped = |side: u32| {
        let mut cases = cases(1);
        let region = json!({"id": "r", "image": "i", "label": "finding", "kind": "box", "box": [0, 0, side, side], "role": "finding"});
        cases[0].regions = vec![serde_json::from_value(region).expect("a region")];
        let plan = Plan::new(&suite, &cases);
        let mask = suite.conditions.iter().position(|condition| condition.id == "region_mask").expect("asked");
        plan.skipped[mask].clone()
    };
    // Grown by 4 pixels, the region covers 49 x 49 of 64 x 64 pixels, or 50 x 50, which is more than 60 %.
    assert_eq!(skipped(45), [("no evidence region", 1)].into());
    assert_eq!(skipped(46), [("no evidence region", 1), ("the evidence covers too much of the picture", 3)].into());
}

#[test]
fn a_condition_and_its_control_keep_the_same_items_under_a_cap() {
    let (mut suite, cases) = (uncapped(), cases(12));
    for condition in &mut suite.conditions {
        condition.max_items = Some(9);
    }
    let plan = Plan::new(&suite, &cases);
    let items = |id: &str| -> BTreeSet<(usize, usize)> {
        let of = |entry: &&Entry| suite.conditions[entry.condition].id == id;
        plan.entries.iter().filter(of).map(|entry| (entry.case, entry.item)).collect()
    };
    assert_eq!(items("region_mask").len(), 9);
    assert_eq!(items("region_mask"), items("random_mask"));
    assert_eq!(items("fgsm"), items("random_sign"));
    // Stages 2 to 4 have the same number of items.
    for item in 1..4 {
        assert_eq!(items("cue_true").iter().filter(|(_, of)| *of == item).count(), 3);
    }
}

#[test]
fn what_is_known_is_not_asked_again_and_comes_out_the_same() {
    let (suite, cases) = (uncapped(), cases(5));
    let plan = Plan::new(&suite, &cases);
    let mut model = Planted::new(&cases, HintFollower(Looker));
    let first = ask(&plan, &mut model);
    let known: HashMap<_, _> = first.outcomes.iter().map(|outcome| (outcome.key.clone(), outcome.clone())).collect();
    model.answered = 0;
    let again = ask_again(&plan, &mut model, &known);
    assert_eq!((model.answered, again.asked, again.reused), (0, 0, first.outcomes.len()));
    assert_eq!(again.outcomes, first.outcomes);

    // A changed question gets another key.
    let mut changed = cases.clone();
    changed[2].chain[0].question.push('?');
    let plan = Plan::new(&suite, &changed);
    let mut model = Planted::new(&changed, HintFollower(Looker));
    let again = ask_again(&plan, &mut model, &known);
    assert!(
        again
            .outcomes
            .iter()
            .all(|outcome| known.contains_key(&outcome.key)
                != (outcome.case_id == "case-002" && outcome.item_id == "q1"))
    );
    assert_eq!(again.asked, again.outcomes.iter().filter(|o| !known.contains_key(&o.key)).count());
}

#[test]
fn outcomes_survive_the_store_and_bad_lines_are_all_named() {
    let (suite, cases) = (uncapped(), cases(3));
    let run = ask(&Plan::new(&suite, &cases), &mut Planted::new(&cases, Oracle));
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

/// Mock model that records every query and gives constant replies.
#[derive(Default)]
struct Recorder(Vec<Query>);

impl Model for Recorder {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.0.extend_from_slice(queries);
        Ok(queries.iter().map(|_| Response::Text(String::new())).collect())
    }

    fn pixels(&mut self, _: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(None)
    }

    fn pixel_gradients(&mut self, _: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        unreachable!("it has no pixels")
    }
}

fn recorded(suite: &Suite, cases: &[Case]) -> Vec<Query> {
    let mut recorder = Recorder::default();
    ask(&Plan::new(suite, cases), &mut recorder);
    recorder.0
}

#[test]
fn pictures_are_what_their_condition_says() {
    let cases = cases(4);
    let queries = recorded(&uncapped(), &cases);
    let shown = |query: &Query| match &query.images[0] {
        Shown::Picture(picture) => Arc::clone(picture),
        Shown::Pixels(_) => panic!("nothing is attacked here"),
    };
    for query in &queries {
        let case = cases.iter().find(|case| case.case_id == query.case_id).expect("known");
        let (own, shown) = (common::picture(case), shown(query));
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
                // A line of two pixels around 12 x 12 pixels. In a corner a part of the line lies off the image.
                let line = 16 * 16 - 12 * 12;
                assert!(changed.len() == line || query.condition == "cue_neutral" && changed.len() >= line / 2);
                assert!(!changed.iter().any(inside));
                assert!(changed.iter().all(|&(x, y)| *shown.get_pixel(x, y) == Rgb([255, 64, 64])));
                let near = changed.iter().all(|&(x, y)| (x0 - 2..x1 + 2).contains(&x) && (y0 - 2..y1 + 2).contains(&y));
                assert_eq!(near, query.condition == "cue_true");
            }
            "gaussian_noise" => assert!(changed.len() > (SIDE * SIDE * 9 / 10) as usize),
            "swap_near" | "swap_same" => {
                let (_, other) = cases
                    .iter()
                    .map(|case| (case, common::picture(case)))
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
fn a_plan_depends_on_neither_the_order_of_the_cases_nor_the_epoch() {
    let suite = uncapped();
    let key = |query: &Query| (query.case_id.clone(), query.item_id.clone(), query.condition.clone());
    let sorted = |cases: &[Case]| {
        let mut queries = recorded(&suite, cases);
        queries.sort_by_key(key);
        queries
    };
    let forward = cases(6);
    let backward: Vec<Case> = forward.iter().rev().cloned().collect();
    for (a, b) in sorted(&forward).iter().zip(sorted(&backward)) {
        assert_eq!(key(a), key(&b));
        assert_eq!((&a.conversation, &a.ask), (&b.conversation, &b.ask));
        match (&a.images[0], &b.images[0]) {
            (Shown::Picture(a), Shown::Picture(b)) => assert!(a == b),
            _ => panic!("nothing is attacked here"),
        }
    }
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
    let run = ask(&plan, &mut Planted::new(&cases, HintFollower(Oracle)));
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
    assert!(["2", "6"].contains(&named("number").as_str()), "{}", named("number"));
    assert_eq!((named("text").as_str(), named("confusable").as_str()), ("Abscess", "c1"));
    assert!(outcome("box", "hint_minus").is_none());
    let misled = outcome("confusable", "hint_minus").expect("asked");
    assert!(misled.followed && !misled.is_right());
    assert!(outcome("text", "hint_plus").expect("asked").followed);
}

#[test]
fn a_broken_picture_and_a_stop_end_the_run_with_a_reason() {
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
fn a_run_cut_short_keeps_its_answers_and_goes_on_in_the_same_batches() {
    // Rebuttals and contexts show earlier answers, so these conditions run after the clean questions.
    let mut text = "name = \"s\"\nversion = 1\nseed = 1\n".to_owned();
    for kind in ["clean", "hint_minus", "rebuttal_doubt", "parents_predicted", "blank"] {
        text.push_str(&format!("[[condition]]\nid = \"{kind}\"\nkind = \"{kind}\"\n"));
    }
    let suite = Suite::parse(&text, "s.toml".as_ref()).expect("valid");
    let cases = cases(12);
    let plan = Plan::new(&suite, &cases);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/answers.jsonl");
    let asked = |model: &mut Planted<'_, HintFollower<Looker>>, batches: usize, path: &std::path::Path| {
        let (mut journal, held) = store::Journal::open(path).expect("opened");
        let known: HashMap<_, _> = held.into_iter().map(|outcome| (outcome.key.clone(), outcome)).collect();
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
