//! Constructed cases whose images encode their answers, so that a mock model can read them.

#![allow(dead_code)]

pub mod bright;

use std::collections::HashMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::mock::{BlindPrior, Policy, View};
use stepwise_benchmark::model::Model;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{self, Images, Options, Run};
use stepwise_benchmark::stats::Bootstrap;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::{Answer, Case};

/// Kinds that change a question's words; `hint_minus` represents all hints.
pub const WORDS: [&str; 23] = [
    "hint_minus",
    "permutation",
    "rebuttal_doubt",
    "rebuttal_wrong",
    "rebuttal_right",
    "rebuttal_repeat",
    "premise_false",
    "premise_true",
    "negated_twin",
    "negation",
    "affirmation",
    "nota_right",
    "nota_wrong",
    "paraphrase",
    "reworded",
    "hedge_low",
    "hedge_high",
    "hedge_neutral",
    "parents_gold",
    "parents_predicted",
    "parents_wrong",
    "report_injected",
    "report_plain",
];

/// Side of every image in pixels.
pub const SIDE: u32 = 64;
/// Bounds of the finding in pixels: `[x0, y0, x1, y1]`.
pub const FINDING: [u32; 4] = [8, 8, 20, 20];

/// Returns case `number`: a modality question, a yes/no question, a question about the finding with three options, and
/// a conclusion. Two cases share a patient. The right answers cycle through all options as the number grows.
pub fn case(number: usize) -> Case {
    let record = json!({
        "schema": "case/1", "case_id": format!("case-{number:03}"), "group_id": format!("patient-{:03}", number / 2),
        "split": "validation", "source": {"dataset": "constructed", "licence": "CC0-1.0"}, "modality": "ct",
        "images": [{"id": "i", "path": "i.png", "sha256": "", "width": SIDE, "height": SIDE}],
        "regions": [{"id": "r", "image": "i", "label": "finding", "kind": "box", "box": FINDING, "role": "finding"}],
        "chain": [
            {"id": "q1", "stage": 1, "category": "01", "question": "Which modality is this?",
             "answer": {"type": "choice", "options": ["CT", "MRI", "X-ray", "ultrasound"], "gold": [number % 4]}},
            {"id": "q2", "stage": 2, "category": "09", "parents": ["q1"], "question": "Is anything abnormal?",
             "answer": {"type": "yesno", "gold": number.is_multiple_of(2)}, "evidence": ["r"]},
            {"id": "q3", "stage": 3, "category": "18", "parents": ["q2"], "question": "How is its margin?",
             "answer": {"type": "choice", "options": ["smooth", "spiculated", "lobulated"], "gold": [number % 3]},
             "evidence": ["r"]},
            {"id": "q4", "stage": 4, "category": "25", "parents": ["q3"], "question": "What is it?",
             "answer": {"type": "choice", "options": ["cyst", "carcinoma"], "gold": [number % 2]}, "evidence": ["r"]}
        ]
    });
    serde_json::from_value(record).expect("a valid case")
}

/// Returns the first `count` cases.
pub fn cases(count: usize) -> Vec<Case> {
    (0..count).map(case).collect()
}

/// Returns the image of a case: flat grey 200, and inside the finding three columns whose grey levels encode the right
/// answers to questions two to four (10 for the first option, 20 for the second, ...). The pixel at (62, 62) encodes
/// the modality.
pub fn picture(case: &Case) -> RgbImage {
    let mut picture = RgbImage::from_pixel(SIDE, SIDE, Rgb([200; 3]));
    let [x0, y0, x1, y1] = FINDING;
    for y in y0..y1 {
        for x in x0..x1 {
            let question = 1 + ((x - x0) / 4) as usize;
            picture.put_pixel(x, y, Rgb([grey(case, question); 3]));
        }
    }
    picture.put_pixel(62, 62, Rgb([grey(case, 0); 3]));
    picture
}

fn grey(case: &Case, question: usize) -> u8 {
    match &case.chain[question].answer {
        Answer::Choice { gold, .. } => 10 * (gold[0] as u8 + 1),
        Answer::Yesno { gold, .. } => 10 * (u8::from(!gold) + 1),
        _ => 0,
    }
}

/// Loads the images of constructed cases.
pub fn load(case: &Case, _: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
    Ok(Arc::new(picture(case)))
}

/// Mock model that reads the answer from the image and uses its prior when the image shows no answer.
pub struct Looker;

impl Policy for Looker {
    fn say(&self, view: &View<'_>) -> String {
        let question = view.case.chain.iter().position(|item| item.id == view.item.id).expect("its own item");
        let (x, y) =
            if question == 0 { (62, 62) } else { (FINDING[0] + 4 * (question as u32 - 1) + 1, FINDING[1] + 1) };
        let seen = view.picture().map(|picture| picture.get_pixel(x, y).0[0]).filter(|grey| grey % 10 == 0);
        let index = seen.and_then(|grey| usize::from(grey / 10).checked_sub(1));
        let answer = match &view.item.answer {
            Answer::Choice { options, .. } => index.and_then(|index| options.get(index).cloned()),
            Answer::Yesno { .. } => index.and_then(|index| ["yes", "no"].get(index).map(|word| (*word).to_owned())),
            _ => None,
        };
        answer.unwrap_or_else(|| BlindPrior.say(view))
    }
}

/// Returns the built-in suite `fast` without limits on cases and items.
pub fn uncapped() -> Suite {
    Suite::fast().uncapped()
}

/// Evaluates a mock model without earlier answers.
pub fn ask(plan: &Plan<'_>, model: &mut dyn Model) -> Run {
    ask_again(plan, model, &HashMap::new())
}

/// Evaluates a mock model without earlier answers, with other images.
pub fn ask_with(plan: &Plan<'_>, images: &dyn Images, model: &mut dyn Model) -> Run {
    let mut progress = |_: runner::RunProgress<'_>| ControlFlow::Continue(());
    let options =
        Options { model: "planted", known: &HashMap::new(), batch: 16, surrogate: None, progress: &mut progress };
    runner::run(plan, images, model, options).expect("mock models do not fail")
}

/// Evaluates a mock model on all queries that are not in `known`.
pub fn ask_again(plan: &Plan<'_>, model: &mut dyn Model, known: &HashMap<String, Outcome>) -> Run {
    let mut progress = |_: runner::RunProgress<'_>| ControlFlow::Continue(());
    let options = Options { model: "planted", known, batch: 16, surrogate: None, progress: &mut progress };
    runner::run(plan, &load, model, options).expect("mock models do not fail")
}

/// Returns a summary with few bootstrap draws.
pub fn summary(plan: &Plan<'_>, run: &Run, base: Option<&Run>) -> Summary {
    let bootstrap = Bootstrap { resamples: 500, ..Bootstrap::default() };
    let base = base.map(|base| base.outcomes.as_slice());
    Summary::new(plan.suite, &run.skips(plan), &run.outcomes, base, bootstrap)
}

/// Returns a metric's value. Panics when it is undefined.
pub fn value(summary: &Summary, id: &str) -> f64 {
    summary.estimate(id).and_then(|estimate| estimate.value).unwrap_or_else(|| panic!("{id} is not defined"))
}

/// Asserts a metric's value within 1e-12.
#[track_caller]
pub fn expect(summary: &Summary, id: &str, expected: f64) {
    let found = value(summary, id);
    assert!((found - expected).abs() < 1e-12, "{id} is {found}, expected {expected}");
}

/// Asserts that a metric has no value.
#[track_caller]
pub fn expect_undefined(summary: &Summary, id: &str) {
    let found = summary.estimate(id).expect("the metric exists").value;
    assert!(found.is_none(), "{id} is {found:?}, expected none");
}
