//! FGSM and its noise control on a respondent for which both have a closed form.

mod common;

use std::sync::Arc;

use common::{ask_again, expect};
use image::{Rgb, RgbImage};
use serde_json::json;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::planted::Linear;
use stepwise_benchmark::run::{self, NO_GRADIENTS, Options};
use stepwise_benchmark::stats::Bootstrap;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::{Summary, skips};
use stepwise_curriculum::case::Case;

const SIDE: u32 = 32;

/// Case `number` shows a flat picture, `number` grey levels from the undecided one; alternately above it (yes is right) and
/// below (no is right).
fn case(number: usize) -> Case {
    serde_json::from_value(json!({
        "schema": "case/1", "case_id": format!("{number:02}"), "group_id": format!("{number:02}"), "split": "test",
        "source": {"dataset": "constructed", "licence": "CC0-1.0"}, "modality": "ct",
        "images": [{"id": "i", "path": "i.png", "sha256": "", "width": SIDE, "height": SIDE}],
        "chain": [{"id": "q", "stage": 2, "category": "09", "question": "Is it bright?",
                   "answer": {"type": "yesno", "gold": number.is_multiple_of(2)}}]
    }))
    .expect("a valid case")
}

fn level(number: usize) -> u8 {
    let distance = number as u8 / 2 + 1;
    if number.is_multiple_of(2) { 128 + distance } else { 128 - distance }
}

fn suite(eps: f64) -> Suite {
    let text = format!(
        "name = \"a\"\nversion = 1\nseed = 1\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n\
         [[condition]]\nid = \"fgsm\"\nkind = \"fgsm\"\neps = {eps}\ncontrol = \"noise\"\n\
         [[condition]]\nid = \"noise\"\nkind = \"random_sign\"\neps = {eps}\ncontrol = \"clean\"\n"
    );
    Suite::parse(&text, "a.toml".as_ref()).expect("valid")
}

fn attacked(eps: f64) -> Summary {
    let cases: Vec<Case> = (0..20).map(case).collect();
    let suite = suite(eps);
    let plan = Plan::new(&suite, &cases);
    let load = |case: &Case, _: usize| {
        let number: usize = case.case_id.parse()?;
        Ok(Arc::new(RgbImage::from_pixel(SIDE, SIDE, Rgb([level(number); 3]))))
    };
    let mut progress = |_: run::Progress<'_>| std::ops::ControlFlow::Continue(());
    let options = Options { respondent: "linear", known: &Default::default(), batch: 7, progress: &mut progress };
    let mut respondent = Linear { weight: 1000.0, threshold: 128.0 / 255.0 };
    let run = run::run(&plan, &load, &mut respondent, options).expect("runs");
    let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
    Summary::new(&suite, &skips(&plan, &run), &run.outcomes, None, bootstrap)
}

#[test]
fn a_signed_step_flips_exactly_the_margins_it_exceeds_and_noise_flips_none() {
    // Distances 1 to 10, two cases each. A step of eps/255 towards the other side moves the mean by eps levels.
    for (eps, flipped) in [(0.5, 0.0), (1.5, 2.0), (4.5, 8.0), (9.5, 18.0)] {
        let summary = attacked(eps);
        expect(&summary, "accuracy:clean", 1.0);
        expect(&summary, "attack_success:fgsm", flipped / 20.0);
        // The mean of 3,072 random signs is about 0.02, so such noise moves the mean by less than a fifth of a level.
        expect(&summary, "accuracy:noise", 1.0);
        expect(&summary, "attack_success_over_noise:fgsm", flipped / 20.0);
    }
}

#[test]
fn who_cannot_be_attacked_is_counted_not_dropped() {
    let (suite, cases) = (suite(2.0), common::cases(3));
    let plan = Plan::new(&suite, &cases);
    let mut respondent = stepwise_benchmark::planted::Planted::new(&cases, stepwise_benchmark::planted::Oracle);
    let run = ask_again(&plan, &mut respondent, &Default::default());
    let skips = skips(&plan, &run);
    assert_eq!(
        (skips[0].get(NO_GRADIENTS), skips[1].get(NO_GRADIENTS), skips[2].get(NO_GRADIENTS)),
        (None, Some(&12), Some(&12))
    );
    assert_eq!(run.outcomes.len(), 12);
}
