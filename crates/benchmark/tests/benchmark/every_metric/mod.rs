//! Metrics of boxes, numbers, texts, marks, flips, abstentions, negated questions, rotations and earlier answers on
//! mock models whose values are known in advance. `metrics.rs` tests the other metrics, `attack.rs` and
//! `fake_robustness.rs` the attacks.

mod answers;
mod believers;
mod chains;
mod images;

use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::mock::{
    BlindPrior, CueFollower, Decliner, HintFollower, LastOption, LateralitySwapper, Oracle, Planted, Policy,
    PolicyInput, Wordy,
};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::power::{describe, power};
use stepwise_benchmark::stats::student::quantile;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::{Answer, Case};

use stepwise_testing::benchmark::evaluate::{MockEvaluation, summary};
use stepwise_testing::benchmark::suite;
use stepwise_testing::benchmark::values::{expect, expect_all, expect_undefined, value};

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
    let condition = |(id, lines, control): &(&'static str, &str, &str)| match *control {
        "" => (*id, (*lines).to_owned()),
        control => (*id, format!("{lines}\ncontrol = \"{control}\"")),
    };
    suite::suite("seed = 3\nprimary = [\"hint_minus\"]", &CONDITIONS.iter().map(condition).collect::<Vec<_>>())
}

/// Evaluates a policy that can see the replaced items of the plan.
fn of(policy: impl Policy) -> Summary {
    let (suite, cases) = (suite(), (0..CASES).map(case).collect::<Vec<_>>());
    let plan = Plan::new(&suite, &cases);
    summary(&plan, &MockEvaluation::on(&load).run(&plan, &mut Planted::knowing(&plan, policy)), None)
}

#[test]
fn an_oracle_is_right_under_every_condition() {
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
        "stage_largest_step",
    ] {
        expect(&oracle, id, 0.0);
    }
    // A negated question has another right answer, so a flip rate is not defined.
    expect_undefined(&oracle, "flip_rate:negated_twin");
}

#[test]
fn the_power_of_a_plan_is_known_before_the_evaluation() {
    let (suite, cases) = (suite(), (0..CASES).map(case).collect::<Vec<_>>());
    let plan = Plan::new(&suite, &cases);
    let of = |base: Option<&[Outcome]>, id: &str| {
        power(&plan, base).into_iter().find(|power| power.condition == id).expect("planned")
    };
    // Four patients allow no claim, whatever the answers are.
    let before = of(None, "clean");
    assert_eq!((before.items, before.groups, before.is_estimated, before.detectable), (64, 4, false, None));
    let words = describe(&power(&plan, None));
    assert!(words.contains("NO DIFFERENCE CAN BE SIGNIFICANT") && words.contains("needs 8 groups"), "{words}");

    // Eight patients with eight items each, and 32 questions about two patients each.
    let mut cases = cases;
    for (number, case) in cases.iter_mut().enumerate() {
        case.group_id = format!("patient-{number}");
        case.chain.iter_mut().for_each(|item| item.question = format!("{} ({})", item.question, number % 4));
    }
    let plan = Plan::new(&suite, &cases);
    let of = |base: Option<&[Outcome]>| power(&plan, base).swap_remove(0);
    let before = of(None);
    assert_eq!((before.items, before.groups, before.questions), (64, 8, 32));
    // Design effect 1 + 7 * 0.3 + 1 * 0.1.
    assert!((before.design_effect - 3.2).abs() < 1e-12, "{before:?}");
    let level = 0.05 / suite.primary.len().max(1) as f64;
    let quantiles = quantile(1.0 - level / 2.0, 7) + quantile(0.8, 7);
    let expected = quantiles * (3.2f64 * 0.2 / 64.0).sqrt();
    assert!((before.detectable.expect("enough patients") - expected.min(1.0)).abs() < 1e-9, "{before:?}");

    // All answers of a patient are right or all are wrong. The correlation is 1, so eight answers count as one.
    let run = MockEvaluation::on(&load).run(&plan, &mut Planted::knowing(&plan, Oracle));
    let mut outcomes = run.outcomes;
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.group_id == "patient-1") {
        outcome.verdict = stepwise_benchmark::score::Verdict::Wrong;
    }
    let known = of(Some(&outcomes));
    assert!(known.is_estimated && (known.correlation - 1.0).abs() < 1e-12, "{known:?}");
    assert!((known.design_effect - 8.1).abs() < 1e-9, "{known:?}");

    let words = describe(&power(&plan, Some(&outcomes)));
    let start = "\n  clean: 64 items in 8 groups with 32 questions, correlation 1.00, design effect 8.10,";
    assert!(words.contains(start) && words.contains(" more conditions: 8 to 64 items, "), "{words}");
}
