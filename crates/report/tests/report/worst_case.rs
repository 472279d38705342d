//! Worst cases: the turns of the conversation and the images that were shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stepwise_benchmark::mock::{Oracle, Planted};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::worst_cases::{self, Speaker};
use stepwise_testing::benchmark::constructed::{FINDING, SIDE, cases};
use stepwise_testing::benchmark::evaluate::MockEvaluation;
use stepwise_testing::benchmark::suite::suite;

use crate::mock::{Attackable, WeakToChange, evaluate, load};

/// A report can be passed on, so it shows no case of a data set that needs credentials.
#[test]
fn cases_of_data_sets_that_need_credentials_are_not_shown() {
    let conditions = [("clean", "kind = \"clean\""), ("hint_minus", "kind = \"hint_minus\"")];
    let suite = suite("seed = 1", &conditions);
    let shown = |credentialed: fn(usize) -> bool| {
        let mut cases = cases(8);
        let marked = cases.iter_mut().enumerate().filter(|(index, _)| credentialed(*index));
        marked.for_each(|(_, case)| case.source.credentialed = true);
        let plan = Plan::new(&suite, &cases);
        let tuned = evaluate(&plan, &mut Planted::new(&cases, WeakToChange));
        let base = MockEvaluation::on(&load).run(&plan, &mut Planted::new(&cases, Oracle));
        let worst =
            worst_cases::pick(&plan, &load, &tuned.outcomes, &base.outcomes, 8, None).expect("images are there");
        let marked: Vec<&str> =
            cases.iter().filter(|case| case.source.credentialed).map(|case| case.case_id.as_str()).collect();
        assert_eq!(worst_cases::credentialed(&plan), marked.len());
        assert!(worst.iter().all(|case| !marked.contains(&case.case_id.as_str())));
        worst.len()
    };
    let all = shown(|_| false);
    assert!(all > 1);
    assert!((1..all).contains(&shown(|index| index % 2 == 0)));
    assert_eq!(shown(|_| true), 0);
}

#[test]
fn a_worst_case_shows_the_second_turn_and_the_change_of_the_image() {
    let suite = suite(
        "seed = 1",
        &[
            ("clean", "kind = \"clean\""),
            ("rebuttal_wrong", "kind = \"rebuttal_wrong\""),
            ("written", "kind = \"written_wrong\"\ncontrast = \"low\""),
            ("cue_wrong", "kind = \"cue_wrong\""),
            ("fgsm", "kind = \"fgsm\"\neps = 2"),
        ],
    );
    let cases = cases(8);
    let plan = Plan::new(&suite, &cases);
    let tuned = evaluate(&plan, &mut Attackable(Planted::new(&cases, WeakToChange)));
    let base = MockEvaluation::on(&load).run(&plan, &mut Planted::new(&cases, Oracle));
    let worst = worst_cases::pick(&plan, &load, &tuned.outcomes, &base.outcomes, 8, None).expect("pictures are there");
    let of = |condition: &str| worst.iter().find(|case| case.condition == condition).expect("one of each");

    let rebuttal = of("rebuttal_wrong");
    let speakers: Vec<Speaker> = rebuttal.turns.iter().map(|turn| turn.speaker).collect();
    assert_eq!(speakers, [Speaker::User, Speaker::Model, Speaker::User]);
    assert_eq!(rebuttal.clean.as_ref(), Some(&rebuttal.turns[1].text));
    let named = rebuttal.named.as_ref().expect("a rebuttal names an answer");
    assert!(rebuttal.turns[2].text.contains(named.as_str()) && rebuttal.base_right);

    let captions = |condition: &str| of(condition).views.iter().map(|view| view.caption.as_str()).collect::<Vec<_>>();
    assert_eq!(captions("rebuttal_wrong"), ["as shown"]);
    assert_eq!(captions("cue_wrong"), ["as stored", "as shown"]);
    assert_eq!(captions("written"), ["as stored", "as shown", "change, amplified 15 times"]);
    assert_eq!(
        captions("fgsm"),
        [
            "before the attack, which changes each pixel value by at most 2/255; attacked image left out: no model to re-create it"
        ]
    );
    let mut attacker = Attackable(Planted::new(&cases, WeakToChange));
    let at_hand = worst_cases::LiveModels { model: &mut attacker, surrogate: None };
    let drawn =
        worst_cases::pick(&plan, &load, &tuned.outcomes, &base.outcomes, 8, Some(at_hand)).expect("pictures are there");
    let fgsm = drawn.iter().find(|case| case.condition == "fgsm").expect("one of each");
    let captions: Vec<&str> = fgsm.views.iter().map(|view| view.caption.as_str()).collect();
    let expected = [
        "before the attack, which changes each pixel value by at most 2/255",
        "change by the attack, re-created on the model's input pixels, amplified 63 times",
    ];
    assert_eq!(captions, expected);
    // The gradient has one sign, so every value falls by two levels, which is shown 63 times as strong around 128.
    let png = STANDARD.decode(fgsm.views[1].picture.trim_start_matches("data:image/png;base64,")).expect("base64");
    let change = image::load_from_memory(&png).expect("a picture").to_rgb8();
    assert_eq!(change.dimensions(), (SIDE, SIDE));
    assert!(change.pixels().all(|pixel| pixel.0 == [128 - 126; 3]));
    // All other cases are unchanged.
    assert!(drawn.iter().zip(&worst).all(|(a, b)| a.condition == "fgsm" || a == b));

    let [x0, y0, x1, y1] = FINDING.map(f64::from);
    assert_eq!(of("cue_wrong").views[1].outlines, [vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]]]);
    assert!(of("cue_wrong").views.iter().all(|view| view.size == [SIDE; 2]));
}
