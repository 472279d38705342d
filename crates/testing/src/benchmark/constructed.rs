//! Constructed cases whose images encode their answers, so that a mock model can read them.

use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::mock::{BlindPrior, Planted, Policy, PolicyInput};
use stepwise_benchmark::model::{Model, Query};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::Run;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::{Answer, Case};

use super::evaluate::{MockEvaluation, Recorder};

/// Number of consecutive cases in which the right answers of each question are equally frequent: the least common
/// multiple of the numbers of options, 4, 2, 3 and 2.
pub const BALANCED: usize = 12;
/// Accuracy of a model that guesses without looking, over the four questions of balanced cases: the mean of 1/4, 1/2,
/// 1/3 and 1/2.
pub const LUCK: f64 = (1.0 / 4.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 2.0) / 4.0;

/// Side of every constructed image in pixels.
pub const SIDE: u32 = 64;
/// Box of the finding in pixels, `[x0, y0, x1, y1]`; the last column `x1` and row `y1` lie outside.
pub const FINDING: [u32; 4] = [8, 8, 20, 20];

/// Returns case `number`, counted from 0: a modality question, a yes/no question, a question about the finding with
/// three options, and a conclusion. The cases `2 n` and `2 n + 1` share a patient. The right answers cycle through all
/// options as the number grows.
#[must_use]
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
            {"id": "q3", "stage": 3, "category": "20", "parents": ["q2"], "question": "What is its composition?",
             "answer": {"type": "choice", "options": ["solid", "cystic", "mixed"], "gold": [number % 3]},
             "evidence": ["r"]},
            {"id": "q4", "stage": 4, "category": "25", "parents": ["q3"], "question": "What is it?",
             "answer": {"type": "choice", "options": ["cyst", "carcinoma"], "gold": [number % 2]}, "evidence": ["r"]}
        ]
    });
    serde_json::from_value(record).expect("a valid case")
}

/// Returns the first `count` constructed cases.
#[must_use]
pub fn cases(count: usize) -> Vec<Case> {
    (0..count).map(case).collect()
}

/// Returns the image of a constructed case: flat grey 200, and inside the finding three columns whose grey levels
/// encode the right answers to questions two to four (10 for the first option, 20 for the second, ...). The pixel at
/// (62, 62) encodes the modality.
///
/// # Panics
/// When the case has fewer than four questions.
#[must_use]
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

/// Makes the image of a constructed case, for any index of the image. The signature is the one that an evaluation
/// expects of its loader of images.
///
/// # Errors
/// Never.
pub fn load(case: &Case, _: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
    Ok(Arc::new(picture(case)))
}

/// Mock model that reads the answer from the image and uses its prior when the image shows no answer.
pub struct Looker;

impl Policy for Looker {
    fn say(&self, view: &PolicyInput<'_>) -> String {
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

/// Evaluates a mock model on the constructed images, without known outcomes and without a surrogate (a model for
/// transfer attacks).
///
/// # Panics
/// When the model fails.
pub fn evaluate(plan: &Plan<'_>, model: &mut dyn Model) -> Run {
    MockEvaluation::on(&load).run(plan, model)
}

/// Evaluates a mock model that answers by `policy` on the constructed images. Returns its queries, in order, and the
/// run.
///
/// # Panics
/// When the plan has a condition that needs a surrogate model.
pub fn recorded(suite: &Suite, cases: &[Case], policy: impl Policy) -> (Vec<Query>, Run) {
    let mut model = Recorder::new(Planted::new(cases, policy));
    let run = evaluate(&Plan::new(suite, cases), &mut model);
    (model.queries, run)
}
