//! Questions on flat images. Attacks on a linear model have a closed form here.

use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::mock::LinearModel;
use stepwise_benchmark::model::Model;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::Run;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;

use super::evaluate::MockEvaluation;
use super::suite::suite;

const SIDE: u32 = 32;

/// Linear model whose decision threshold is grey level 128 of 255.
pub const LINEAR: LinearModel = LinearModel { weight: 1000.0, threshold: 128.0 / 255.0 };

/// Returns the grey level of image `number`, 0 to 253: 1, 1, 2, 2, 3, ... levels from the decision threshold 128, above
/// it for even numbers and below it for odd ones. Larger numbers have no level of their own.
#[must_use]
pub fn level(number: usize) -> u8 {
    let distance = number as u8 / 2 + 1;
    if number.is_multiple_of(2) { 128 + distance } else { 128 - distance }
}

/// Returns case `number`, counted from 0: one yes/no question whether its image is bright, with the right label.
#[must_use]
pub fn case(number: usize) -> Case {
    labelled(number, number.is_multiple_of(2))
}

/// Returns case `number` with its right label if its image is an odd number of levels from the threshold, else with
/// the opposite label, so that the linear model answers it wrongly.
#[must_use]
pub fn partly_mislabelled(number: usize) -> Case {
    labelled(number, number.is_multiple_of(2) != (number % 4 >= 2))
}

fn labelled(number: usize, gold: bool) -> Case {
    serde_json::from_value(json!({
        "schema": "case/1", "case_id": format!("{number:02}"), "group_id": format!("{number:02}"), "split": "test",
        "source": {"dataset": "constructed", "licence": "CC0-1.0"}, "modality": "ct",
        "images": [{"id": "i", "path": "i.png", "sha256": "", "width": SIDE, "height": SIDE}],
        "chain": [{"id": "q", "stage": 2, "category": "09", "question": "Is it bright?",
                   "answer": {"type": "yesno", "gold": gold}}]
    }))
    .expect("a valid case")
}

/// Makes the flat image of a case, whose id is its number, with the grey level of [`level`].
///
/// # Errors
/// When the id of the case is not a number.
pub fn load(case: &Case, _: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
    let level = level(case.case_id.parse()?);
    Ok(Arc::new(RgbImage::from_pixel(SIDE, SIDE, Rgb([level; 3]))))
}

/// Returns a suite of a clean condition and the attacks `fgsm`, `pgd`, `transfer` and `random_sign`, each with `eps` 8
/// and 4 (in levels of 255).
#[must_use]
pub fn attack_suite() -> Suite {
    let attacks = [8, 4].into_iter().flat_map(|eps| {
        ["fgsm", "pgd", "transfer", "random_sign"]
            .map(|kind| (format!("{kind}_{eps}"), format!("kind = \"{kind}\"\neps = {eps}")))
    });
    let clean = ("clean".to_owned(), "kind = \"clean\"".to_owned());
    suite("seed = 1", &[clean].into_iter().chain(attacks).collect::<Vec<_>>())
}

/// Evaluates a model on the flat images. Transfer attacks are made on `base`; None has no surrogate.
///
/// # Panics
/// When the model, an image or the surrogate fails.
pub fn evaluate(plan: &Plan<'_>, model: &mut dyn Model, base: Option<&mut dyn Model>) -> Run {
    MockEvaluation { surrogate: base, ..MockEvaluation::on(&load) }.run(plan, model)
}
