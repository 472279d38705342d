//! The checks that distinguish robust models from models with failed attacks, on mock models of both kinds.

use stepwise_benchmark::metrics::fake_robustness::{Check, CheckVerdict};
use stepwise_benchmark::mock::{GradientMasking, LinearModel, Masker, Oracle, Planted};
use stepwise_benchmark::model::Model;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_testing::benchmark::evaluate::summary;
use stepwise_testing::benchmark::flat::{self, LINEAR, attack_suite, partly_mislabelled};

fn checks(model: &mut dyn Model, mut base: LinearModel) -> Vec<Check> {
    let (suite, cases) = (attack_suite(), (0..24).map(partly_mislabelled).collect::<Vec<_>>());
    let plan = Plan::new(&suite, &cases);
    let summary = summary(&plan, &flat::evaluate(&plan, model, Some(&mut base)), None);
    let read: Summary = serde_json::from_str(&serde_json::to_string(&summary).expect("serialises")).expect("reads");
    assert_eq!(read, summary);
    summary.checks
}

fn failed(checks: &[Check]) -> Vec<&str> {
    let failed = checks.iter().filter(|check| check.verdict == CheckVerdict::Fail);
    failed.map(|check| check.id.as_str()).collect()
}

fn find<'a>(checks: &'a [Check], id: &str) -> &'a Check {
    checks.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("no check {id}"))
}

#[test]
fn an_honest_model_passes_every_check() {
    // The base has the same decision threshold, so a transferred attack works equally well, but not better.
    let checks = checks(&mut LINEAR.clone(), LinearModel { weight: 500.0, ..LINEAR });
    assert_eq!(failed(&checks), [""; 0], "{checks:#?}");
    let ids: Vec<&str> = checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "accuracy_does_not_rise_with_eps:fgsm",
            "accuracy_does_not_rise_with_eps:pgd",
            "loss_does_not_fall:pgd_8",
            "loss_does_not_fall:pgd_4",
            "loss_does_not_fall:transfer_8",
            "loss_does_not_fall:transfer_4",
            "pgd_at_least_as_strong_as_fgsm:pgd_8:fgsm_8",
            "pgd_at_least_as_strong_as_fgsm:pgd_4:fgsm_4",
            "at_least_as_strong_as_noise:fgsm_8:random_sign_8",
            "at_least_as_strong_as_noise:fgsm_4:random_sign_4",
            "at_least_as_strong_as_noise:pgd_8:random_sign_8",
            "at_least_as_strong_as_noise:pgd_4:random_sign_4",
            "transfer_weaker_than_white_box:pgd_8:transfer_8",
            "transfer_weaker_than_white_box:pgd_4:transfer_4",
        ]
    );
    assert!(checks.iter().all(|check| check.verdict == CheckVerdict::Pass && check.n == 24), "{checks:#?}");
    // Twelve are right, two each at 1, 3, 5, ... levels from the threshold. The check sorts the sizes, which the suite
    // lists in another order.
    let sizes = &find(&checks, "accuracy_does_not_rise_with_eps:pgd").numbers;
    let names: Vec<&str> = sizes.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["accuracy at 0/255", "accuracy at 4/255", "p of a rise to 4/255", "accuracy at 8/255", "p of a rise to 8/255"]
    );
    assert_eq!(["0", "4", "8"].map(|eps| sizes[&format!("accuracy at {eps}/255")]), [12.0, 8.0, 4.0].map(|n| n / 24.0));
    assert_eq!(sizes["p of a rise to 8/255"], 1.0);
    let loss = &find(&checks, "loss_does_not_fall:pgd_8").numbers;
    assert!(loss["mean loss at the end"] > loss["mean loss at the start"] + 10.0, "{loss:?}");
    assert_eq!(loss["share of items whose loss ended lower"], 0.0);
}

#[test]
fn a_transfer_attack_reveals_flat_gradients() {
    let checks = checks(&mut Masker { inside: LINEAR, mask: GradientMasking::Flat }, LINEAR);
    // At 8 levels the transfer flips eight more right answers. At 4 levels it flips four, which is within chance.
    assert_eq!(failed(&checks), ["transfer_weaker_than_white_box:pgd_8:transfer_8"]);
    let transfer = &find(&checks, "transfer_weaker_than_white_box:pgd_8:transfer_8").numbers;
    assert_eq!((transfer["accuracy, pgd_8"], transfer["accuracy, transfer_8"]), (0.5, 4.0 / 24.0));
    assert!((transfer["p"] - 1.0 / 256.0).abs() < 1e-12);
    assert!((find(&checks, "transfer_weaker_than_white_box:pgd_4:transfer_4").numbers["p"] - 1.0 / 16.0).abs() < 1e-12);
}

#[test]
fn a_falling_loss_and_a_rising_accuracy_reveal_reversed_gradients() {
    let checks = checks(&mut Masker { inside: LINEAR, mask: GradientMasking::Reversed }, LINEAR);
    let failed = failed(&checks);
    for id in [
        "loss_does_not_fall:pgd_8",
        "loss_does_not_fall:pgd_4",
        "accuracy_does_not_rise_with_eps:fgsm",
        "accuracy_does_not_rise_with_eps:pgd",
        "at_least_as_strong_as_noise:pgd_8:random_sign_8",
        "transfer_weaker_than_white_box:pgd_8:transfer_8",
    ] {
        assert!(failed.contains(&id), "{id} is not among {failed:?}");
    }
    let loss = &find(&checks, "loss_does_not_fall:pgd_8").numbers;
    assert_eq!(loss["share of items whose loss ended lower"], 1.0);
}

#[test]
fn a_check_without_data_does_not_pass() {
    let (suite, cases) = (attack_suite(), (0..4).map(partly_mislabelled).collect::<Vec<_>>());
    let plan = Plan::new(&suite, &cases);
    let run = flat::evaluate(&plan, &mut Planted::new(&cases, Oracle), None);
    let of = |suite: &Suite| Summary::new(suite, &[], &run.outcomes, None).checks;
    let unattackable = of(&suite);
    assert_eq!(unattackable.len(), 14);
    let mut bare = suite.clone();
    bare.conditions.truncate(1);
    let unasked = of(&bare);
    assert_eq!(unasked.len(), 5);
    for check in unattackable.iter().chain(&unasked) {
        assert_eq!((check.verdict, check.n), (CheckVerdict::NotApplicable, 0), "{}", check.id);
        assert!(!check.reason.is_empty() && check.numbers.is_empty());
    }
}
