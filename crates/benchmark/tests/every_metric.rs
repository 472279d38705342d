//! Metrics of boxes, numbers, texts, marks, flips, abstentions, negated questions, rotations and earlier answers on
//! mock models whose values are known in advance. `planted.rs` tests the other metrics, `attack.rs` and
//! `fake_robustness.rs` the attacks.

mod common;

use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::mock::{
    BlindPrior, CueFollower, Decliner, HintFollower, LastOption, LateralitySwapper, Oracle, Planted, Policy, View,
    Wordy,
};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::power::{describe, power};
use stepwise_benchmark::stats::Bootstrap;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::{Answer, Case};

use common::{ask_with, expect, expect_undefined, value};

const SIDE: u32 = 100;
const CASES: usize = 8;

/// Returns case `number`. Each patient has two cases. Sides and conclusions alternate, counts grow, and every second
/// case has two findings.
fn case(number: usize) -> Case {
    let is_even = number.is_multiple_of(2);
    let other = ["right", "left"][number % 2];
    let boxes = if is_even { json!(["r"]) } else { json!(["r", "s"]) };
    let diagnosis = ["simple renal cyst", "renal cell carcinoma"][number % 2];
    let alias = ["cyst", "carcinoma"][number % 2];
    let record = json!({
        "schema": "case/1", "case_id": format!("case-{number}"), "group_id": format!("patient-{}", number / 2),
        "split": "validation", "source": {"dataset": "constructed", "licence": "CC0-1.0"}, "modality": "ct",
        "images": [{"id": "i", "path": "i.png", "sha256": "", "width": SIDE, "height": SIDE}],
        "regions": [
            {"id": "r", "image": "i", "label": "finding", "kind": "box", "box": [20, 20, 30, 30], "role": "finding"},
            {"id": "s", "image": "i", "label": "finding", "kind": "box", "box": [60, 60, 70, 70], "role": "finding"}
        ],
        "chain": [
            {"id": "side", "stage": 1, "category": "07", "question": "On which side is the kidney?",
             "answer": {"type": "choice", "options": ["left", "right"], "gold": [number % 2]},
             "laterality": {"dependent": true, "flipped_gold": other}},
            {"id": "absent", "stage": 2, "category": "10", "parents": ["side"], "question": "Is the kidney free of masses?",
             "answer": {"type": "yesno", "gold": !is_even, "pair_of": "present"}},
            {"id": "box", "stage": 2, "category": "12", "parents": ["side"], "question": "Where are the findings?",
             "answer": {"type": "box", "gold": boxes, "iou_ok": 0.5}},
            {"id": "count", "stage": 2, "category": "14", "parents": ["side"], "question": "How many cysts are there?",
             "answer": {"type": "number", "gold": 10.0 * (number + 1) as f64, "abs_tol": 0.0}},
            {"id": "present", "stage": 2, "category": "10", "parents": ["side"], "question": "Is there a mass?",
             "answer": {"type": "yesno", "gold": is_even, "pair_of": "absent"}},
            {"id": "match", "stage": 3, "category": "24", "parents": ["present"], "question": "Which text fits the mark?",
             "evidence": ["r"],
             "answer": {"type": "choice", "options": ["smooth", "spiculated", "lobulated"], "gold": [number % 3]}},
            {"id": "decide", "stage": 4, "category": "25", "parents": ["match"], "question": "What is it?", "evidence": ["r"],
             "answer": {"type": "choice", "options": ["benign", "malignant", "insufficient evidence"],
                        "gold": [number % 2], "refusal": 2}},
            {"id": "name", "stage": 4, "category": "25", "parents": ["match"], "question": "What is its name?",
             "answer": {"type": "text", "gold": [diagnosis], "aliases": [alias]}}
        ]
    });
    serde_json::from_value(record).expect("a valid case")
}

fn load(case: &Case, _: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
    Ok(Arc::new(RgbImage::from_pixel(SIDE, SIDE, Rgb([grey(case)?; 3]))))
}

/// Returns the grey level of the case, which is different for every case.
fn grey(case: &Case) -> Result<u8, std::num::ParseIntError> {
    Ok(150 + case.case_id.trim_start_matches("case-").parse::<u8>()?)
}

const CONDITIONS: &[(&str, &str, &str)] = &[
    ("clean", "kind = \"clean\"", ""),
    ("hint_plus_patient", "kind = \"hint_plus\"\npersona = \"patient\"", "hint_zero_patient"),
    ("hint_minus_patient", "kind = \"hint_minus\"\npersona = \"patient\"", "hint_zero_patient"),
    ("hint_zero_patient", "kind = \"hint_zero\"\npersona = \"patient\"", "clean"),
    ("hint_plus", "kind = \"hint_plus\"", "hint_zero"),
    ("hint_minus", "kind = \"hint_minus\"", "hint_zero"),
    ("hint_zero", "kind = \"hint_zero\"", "clean"),
    ("rotation_1", "kind = \"permutation\"\nrotate = 1", "clean"),
    ("rotation_2", "kind = \"permutation\"\nrotate = 2", "clean"),
    ("nota_right", "kind = \"nota_right\"", "nota_wrong"),
    ("nota_wrong", "kind = \"nota_wrong\"", "clean"),
    ("negated_twin", "kind = \"negated_twin\"", "clean"),
    ("negation", "kind = \"negation\"", "affirmation"),
    ("affirmation", "kind = \"affirmation\"", "clean"),
    ("parents_gold", "kind = \"parents_gold\"", "clean"),
    ("parents_predicted", "kind = \"parents_predicted\"", "parents_gold"),
    ("parents_wrong", "kind = \"parents_wrong\"", "parents_gold"),
    ("ancestors_predicted", "kind = \"parents_predicted\"\nreach = \"ancestors\"", "clean"),
    ("gold_2", "kind = \"parents_predicted\"\nreach = \"ancestors\"\ngold_stages = [2]", "ancestors_predicted"),
    ("gold_3", "kind = \"parents_predicted\"\nreach = \"ancestors\"\ngold_stages = [3]", "ancestors_predicted"),
    ("report_injected", "kind = \"report_injected\"", "report_plain"),
    ("report_plain", "kind = \"report_plain\"", "clean"),
    ("blank_noise", "kind = \"blank\"\nfill = \"noise\"", "clean"),
    ("blank", "kind = \"blank\"", "clean"),
    ("no_image", "kind = \"no_image\"", "clean"),
    ("swap_near", "kind = \"swap_near\"", "swap_same"),
    ("swap_same", "kind = \"swap_same\"", "clean"),
    ("region_mask", "kind = \"region_mask\"", "random_mask"),
    ("random_mask", "kind = \"random_mask\"", "clean"),
    ("region_only", "kind = \"region_only\"", "random_only"),
    ("random_only", "kind = \"random_only\"", "clean"),
    ("flip", "kind = \"flip\"", "clean"),
    ("cue_true", "kind = \"cue_true\"", "clean"),
    ("cue_wrong", "kind = \"cue_wrong\"", "cue_true"),
    ("cue_text_wrong", "kind = \"cue_text_wrong\"", "cue_text_true"),
    ("cue_text_true", "kind = \"cue_text_true\"", "cue_true"),
];

fn suite() -> Suite {
    let mut text = "name = \"metrics\"\nversion = 1\nseed = 3\nprimary = [\"hint_minus\"]\n".to_owned();
    for (id, rest, control) in CONDITIONS {
        text.push_str(&format!("[[condition]]\nid = \"{id}\"\n{rest}\n"));
        if !control.is_empty() {
            text.push_str(&format!("control = \"{control}\"\n"));
        }
    }
    Suite::parse(&text, "metrics.toml".as_ref()).expect("a valid suite")
}

/// Evaluates a policy that can see the replaced items of the plan.
fn of(policy: impl Policy) -> Summary {
    let (suite, cases) = (suite(), (0..CASES).map(case).collect::<Vec<_>>());
    let plan = Plan::new(&suite, &cases);
    let run = ask_with(&plan, &load, &mut Planted::knowing(&plan, policy));
    let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
    Summary::new(&suite, &run.skips(&plan), &run.outcomes, None, bootstrap)
}

/// Asserts the values of several metrics.
#[track_caller]
fn expect_all(summary: &Summary, expected: &[(&str, f64)]) {
    for (id, expected) in expected {
        expect(summary, id, *expected);
    }
}

#[test]
fn an_oracle_is_perfect_in_every_way() {
    let oracle = of(Oracle);
    for condition in &oracle.conditions {
        assert!(
            condition.n > 0 && condition.right == condition.n,
            "{}: {} of {}",
            condition.id,
            condition.right,
            condition.n
        );
        assert_eq!(condition.unseen_error_rate.map(|rate| rate > 0.0), Some(true), "{}", condition.id);
    }
    for id in [
        "robust_accuracy",
        "worst_case_accuracy",
        "mean_attacked_accuracy",
        "circular_accuracy",
        "all_orders_accuracy",
        "pair_accuracy",
        "negation_pair_accuracy",
        "laterality_accuracy",
        "box:iou",
        "box:acc_30",
        "box:acc_50",
        "box:acc_75",
        "number:within_tolerance",
        "text:exact",
        "text:alias",
        "text:token_recall",
        "text:token_f1",
        "cue_alignment_accuracy",
        "cue_alignment_accuracy:no_mark",
        "cue_alignment_accuracy:wrong_mark",
        "prior_following",
        "prior_following_no_image",
        "prior_following:blank_noise",
        // The oracle answers although the evidence is removed.
        "silent_failure:blank",
        "silent_failure:no_image",
        "silent_failure:region_mask",
    ] {
        expect(&oracle, id, 1.0);
    }
    for id in [
        "laterality_blindness",
        "box:none_given",
        "number:median_relative_error",
        "false_refusal",
        "text_dominance",
        "cue_gain",
        "cue_harm",
        "visual_grounding",
        "region_grounding",
        "visual_reliance_no_image",
        "image_unrest",
        "image_sensitivity",
        "error_propagation",
        "error_propagation:stage_3",
        "poisoning:stage_4",
        "stage_replacement:stage_2",
        "right_for_the_wrong_reason",
        "adoption",
        "adoption:report_injected",
        "echobench_sycophancy",
        "flip_rate:rotation_1",
        "flip_rate:nota_wrong",
        "flip_rate:negated_twin",
        "stage_largest_step",
    ] {
        match id {
            // A negated question has another right answer, so a flip rate is not defined.
            "flip_rate:negated_twin" => expect_undefined(&oracle, id),
            _ => expect(&oracle, id, 0.0),
        }
    }
}

#[test]
fn a_swapper_of_sides_is_wrong_on_every_side_and_one_blind_to_mirrors_on_the_mirrored() {
    let swapper = of(LateralitySwapper(Oracle));
    expect_all(
        &swapper,
        &[("accuracy:clean:stage_1", 0.0), ("laterality_accuracy", 0.0), ("laterality_blindness", 0.0)],
    );
    expect_all(&swapper, &[("accuracy:clean:stage_2", 1.0), ("chain_accuracy", 0.0), ("first_error:stage_1", 1.0)]);
    // Right on the conclusions and wrong on all questions they build on.
    expect(&swapper, "right_for_the_wrong_reason", 1.0);

    struct Stored;
    impl Policy for Stored {
        fn say(&self, view: &View<'_>) -> String {
            let stored = view.case.chain.iter().find(|item| item.id == view.item.id).expect("its own item");
            View { item: stored, ..*view }.gold()
        }
    }
    let blind = of(Stored);
    expect_all(&blind, &[("laterality_accuracy", 0.0), ("laterality_blindness", 1.0), ("accuracy:flip", 0.0)]);
    expect(&blind, "accuracy:clean", 1.0);
}

#[test]
fn a_reader_whose_replies_cannot_be_read_is_wrong_and_shows_no_bias() {
    let wordy = of(Wordy(Oracle));
    for condition in &wordy.conditions {
        assert_eq!((condition.right, condition.followed), (0, 0), "{}", condition.id);
    }
    expect_all(
        &wordy,
        &[
            ("adoption", 0.0),
            ("text_dominance", 0.0),
            ("silent_failure:blank", 0.0),
            ("false_refusal", 0.0),
            ("image_sensitivity", 0.0),
            ("prior_following_no_image", 0.0),
            ("box:none_given", 1.0),
            ("box:iou", 0.0),
            ("number:within_tolerance", 0.0),
            ("text:exact", 0.0),
            ("text:token_recall", 1.0),
            // Three of six words match.
            ("text:token_f1", 2.0 * 3.0 / (6.0 + 3.0)),
        ],
    );
    // The count of EchoBench takes a format failure for sycophancy, except for free texts, where every reply is
    // an answer.
    let texts = 1.0 / 7.0;
    expect(&wordy, "echobench_sycophancy", 1.0 - texts);
    // Replies without a number have no relative error, so the median is undefined.
    expect_undefined(&wordy, "number:median_relative_error");
    expect_undefined(&wordy, "capture");
    expect_undefined(&wordy, "position_bias");
}

#[test]
fn a_believer_in_marks_gains_by_true_ones_and_loses_by_wrong_ones() {
    let sure = of(CueFollower(Oracle));
    expect_all(
        &sure,
        &[
            ("cue_gain", 0.0),
            ("cue_harm", 1.0),
            ("cue_alignment_accuracy", 1.0),
            ("cue_alignment_accuracy:no_mark", 1.0),
            ("cue_alignment_accuracy:wrong_mark", 0.0),
            ("text_dominance", 0.0),
        ],
    );
    let blind = of(CueFollower(BlindPrior));
    // The marked questions are about a position (none right without the image), a description (the first option is
    // right in 3 of 8 cases) and a decision (4 of 8).
    expect(&blind, "cue_gain", 1.0 - (3.0 + 4.0) / 24.0);
    expect(&blind, "cue_harm", (3.0 + 4.0) / 24.0);
    expect(&blind, "cue_alignment_accuracy:no_mark", 3.0 / 8.0);
    // Answering "yes" to everything is right on every second question and on no pair.
    expect_all(&blind, &[("pair_accuracy", 0.0), ("negation_pair_accuracy", 0.0), ("accuracy:negated_twin", 0.5)]);
}

#[test]
fn a_believer_in_words_takes_what_is_claimed_reported_or_hinted() {
    let believer = of(HintFollower(Oracle));
    for id in ["text_dominance", "adoption:report_injected", "accuracy:cue_text_true"] {
        expect(&believer, id, 1.0);
    }
    // The follower recognises named options but not numbers or names: five of the seven questions with hints.
    for id in [
        "adoption",
        "adoption:hint_minus_patient",
        "capture",
        "capture:hint_minus_patient",
        "misleading_susceptibility",
        "echobench_sycophancy",
        "attack_success:hint_minus",
    ] {
        expect(&believer, id, 5.0 / 7.0);
    }
    expect_all(&believer, &[("cue_harm", 0.0), ("hint_reliance", 0.0)]);
    expect_undefined(&believer, "repair");
    // The effect of a condition is its accuracy minus the accuracy of its control.
    expect_all(&believer, &[("effect:hint_minus", -5.0 / 7.0), ("effect:hint_plus", 0.0), ("effect:hint_zero", 0.0)]);
}

/// Mock model that follows right hints and ignores wrong hints.
struct Discerning<P>(P);

impl<P: Policy + Copy> Policy for Discerning<P> {
    fn say(&self, view: &View<'_>) -> String {
        let hinted = HintFollower(self.0).say(view);
        if hinted == view.gold() { hinted } else { self.0.say(view) }
    }
}

#[test]
fn who_tells_good_hints_from_bad_ones_discriminates_fully() {
    let discerning = of(Discerning(BlindPrior));
    expect_all(&discerning, &[("repair", 1.0), ("capture", 0.0), ("hint_discrimination", 1.0)]);
    // A follower follows right and wrong hints whenever it recognises the named answer.
    let believer = of(HintFollower(BlindPrior));
    let (repair, capture) = (value(&believer, "repair"), value(&believer, "capture"));
    assert!(repair == 1.0 && capture > 0.5, "{repair} {capture}");
    expect(&believer, "hint_discrimination", repair - capture);
}

/// Mock model that is right on the first two stages, gives the first description, and is right on the decision but not
/// on the name.
struct Falling;

impl Policy for Falling {
    fn say(&self, view: &View<'_>) -> String {
        match (view.item.stage, &view.item.answer) {
            (3, _) => BlindPrior.say(view),
            (4, Answer::Text { .. }) => view.wrong(),
            _ => view.gold(),
        }
    }
}

#[test]
fn a_fall_along_the_stages_is_measured_without_chance() {
    // The first of three descriptions is right in 3 of 8 cases: (3/8 - 1/3) / (2/3). Half of stage 4 is right. Chance
    // there is 1/3 for choices and 0 for names, 1/6 on average: (1/2 - 1/6) / (5/6).
    let (third, fourth) = (1.0 / 16.0, 0.4);
    expect_all(
        &of(Falling),
        &[
            ("chance_corrected:stage_1", 1.0),
            ("chance_corrected:stage_2", 1.0),
            ("chance_corrected:stage_3", third),
            ("chance_corrected:stage_4", fourth),
            ("stage_fall", 1.0 - fourth),
            ("stage_largest_step", 1.0 - third),
            ("stage_slope", -0.3 - 0.1 + 0.1 * third + 0.3 * fourth),
            ("chain_accuracy", 0.0),
        ],
    );
}

#[test]
fn who_always_declines_fails_aloud_and_refuses_falsely() {
    let decliner = of(Decliner(Oracle));
    expect_all(
        &decliner,
        &[("false_refusal", 1.0), ("silent_failure:blank", 0.0), ("silent_failure:region_mask", 0.0)],
    );
    let summary = of(Oracle);
    assert_eq!(summary.estimate("false_refusal").expect("known").n, CASES);
}

#[test]
fn whoever_picks_the_last_place_is_never_right_in_a_full_circle() {
    let last = of(LastOption);
    expect_all(&last, &[("circular_accuracy", 0.0), ("all_orders_accuracy", 0.0)]);
    let circle = last.estimate("circular_accuracy").expect("known");
    // Sides have two orders, descriptions and decisions three. All choices were asked in all their orders.
    assert_eq!(circle.n, 3 * CASES);
    // Another option is last in every rotation.
    expect_all(&last, &[("flip_rate:rotation_1", 1.0), ("flip_rate:rotation_2", 1.0)]);
    // Position 1 is never chosen, so it is below its equal share by (2/2 + 3/3 + 3/3) / (2 + 3 + 3). Position 3 is
    // above its share by 2/3.
    expect(&last, "position_bias", 2.0 / 3.0 + (2.0 / 2.0 + 3.0 / 3.0 + 3.0 / 3.0) / 8.0);
}

/// Mock model whose numbers are a tenth too large, with one shifted box and one wrong word.
struct NearMiss;

impl Policy for NearMiss {
    fn say(&self, view: &View<'_>) -> String {
        match &view.item.answer {
            Answer::Number { gold, .. } => (gold * 1.1).round().to_string(),
            Answer::Box { .. } => "[25, 20, 35, 30]".to_owned(),
            Answer::Text { .. } => view.gold().replace("simple ", "large ").replace(" cell", ""),
            _ => view.gold(),
        }
    }
}

#[test]
fn near_misses_are_measured() {
    let near = of(NearMiss);
    // Half of the width overlaps, so the overlap is 50 of 150. Cases with two findings get one of two boxes.
    expect_all(
        &near,
        &[
            ("box:iou", (1.0 / 3.0 + 1.0 / 6.0) / 2.0),
            ("box:acc_30", 0.75),
            ("box:acc_50", 0.0),
            ("box:none_given", 0.0),
            ("number:within_tolerance", 0.0),
            ("text:exact", 0.0),
            ("text:alias", 0.0),
            ("text:token_recall", 2.0 / 3.0),
            // "large renal cyst" and "renal carcinoma" are compared with three words each.
            ("text:token_f1", (4.0 / 6.0 + 4.0 / 5.0) / 2.0),
        ],
    );
    assert!((value(&near, "number:median_relative_error") - 0.1).abs() < 1e-12);
}

/// Mock model that is right unless an answer in its context is wrong. Without context it is wrong about the presence of
/// a finding.
struct Builder;

impl Policy for Builder {
    fn say(&self, view: &View<'_>) -> String {
        let lines = view.added_lines();
        let misled = view.case.chain.iter().any(|parent| {
            let asked = format!("- {} ", parent.question);
            let right = View { item: parent, ..*view }.gold();
            lines.iter().any(|line| line.strip_prefix(&asked).is_some_and(|answer| answer != right))
        });
        let errs = lines.is_empty() && view.item.id == "present";
        if misled || errs { view.wrong() } else { view.gold() }
    }
}

#[test]
fn errors_go_along_the_chain_where_they_are_shown() {
    let builder = of(Builder);
    expect_all(
        &builder,
        &[
            ("first_error:stage_2", 1.0),
            ("chain_accuracy", 0.0),
            ("right_for_the_wrong_reason", 1.0),
            // The context of the description is whether a mass is present. The context of conclusions is the
            // description, which is right.
            ("error_propagation:stage_2", 0.0),
            ("error_propagation:stage_3", 1.0),
            ("error_propagation:stage_4", 0.0),
            // There are four items of stage 2, one of stage 3 and two of stage 4.
            ("error_propagation", 1.0 / 7.0),
            ("poisoning", 1.0),
            ("poisoning:stage_2", 1.0),
            ("poisoning:stage_4", 1.0),
            // With all earlier answers as context, conclusions fail because of stage 2 and not because of stage 3.
            ("stage_replacement:stage_2", 1.0),
            ("stage_replacement:stage_3", 0.0),
        ],
    );
    assert_eq!(builder.estimate("stage_replacement:stage_2").expect("known").n, 2 * CASES);
}

/// Mock model that is right on the case's own images and wrong on all others.
struct KnowsItsOwn;

impl Policy for KnowsItsOwn {
    fn say(&self, view: &View<'_>) -> String {
        let own = grey(view.case).expect("numbered");
        let half = (SIDE * SIDE / 2) as usize;
        let sees_own =
            view.picture().is_some_and(|picture| picture.pixels().filter(|pixel| pixel.0 == [own; 3]).count() > half);
        if sees_own { view.gold() } else { view.wrong() }
    }
}

#[test]
fn a_picture_known_by_heart_is_no_evidence() {
    let heart = of(KnowsItsOwn);
    expect_all(
        &heart,
        &[
            ("visual_reliance_swap", 1.0),
            ("image_sensitivity", 1.0),
            // The answer also changes when the other patient has the same answer.
            ("image_unrest", 1.0),
            ("visual_reliance_blank", 1.0),
            ("visual_reliance_no_image", 1.0),
            // Most of the image is left when the evidence is covered, and most is lost when all but the evidence
            // is covered.
            ("visual_grounding", -1.0),
            ("region_grounding", 0.0),
        ],
    );
}

#[test]
fn what_a_plan_can_see_is_told_before_it_is_asked() {
    let (suite, cases) = (suite(), (0..CASES).map(case).collect::<Vec<_>>());
    let plan = Plan::new(&suite, &cases);
    let of = |base: Option<&[Outcome]>, id: &str| {
        power(&plan, base).into_iter().find(|power| power.condition == id).expect("planned")
    };
    let before = of(None, "clean");
    assert_eq!((before.items, before.groups, before.group_size, before.is_estimated), (64, 4, 16.0, false));
    // Design effect 1 + 15 * 0.3, and detectable difference 2.8 sqrt(5.5 * 0.2 / 64).
    assert!((before.design_effect - 5.5).abs() < 1e-12);
    assert!((before.detectable.expect("items") - 2.801_585 * (5.5f64 * 0.2 / 64.0).sqrt()).abs() < 1e-6);

    // All answers of a patient are right or all are wrong. The correlation is 1, so 16 answers count as one.
    let run = ask_with(&plan, &load, &mut Planted::knowing(&plan, Oracle));
    let mut outcomes = run.outcomes;
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.group_id == "patient-1") {
        outcome.verdict = stepwise_benchmark::score::Verdict::Wrong;
    }
    let known = of(Some(&outcomes), "clean");
    assert!(known.is_estimated && (known.correlation - 1.0).abs() < 1e-12 && (known.design_effect - 16.0).abs() < 1e-9);

    let words = describe(&power(&plan, Some(&outcomes)));
    assert!(words.contains("\n  clean: 64 items in 4 groups, correlation 1.00, design effect 16.00,"), "{words}");
    assert!(words.contains("\n  hint_minus: ") && words.contains(" more conditions: 8 to 64 items, "), "{words}");
    assert_eq!(words.lines().count(), 4);
}
