//! Attacks and their noise control on a linear model, where all outcomes have a closed form.

use stepwise_benchmark::mock::{LinearModel, Oracle, Planted};
use stepwise_benchmark::model::Model;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{NO_GRADIENTS, NO_SURROGATE, Run};
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::Case;
use stepwise_testing::benchmark::evaluate::summary;
use stepwise_testing::benchmark::flat::{self, LINEAR};
use stepwise_testing::benchmark::values::expect;
use stepwise_testing::benchmark::{constructed, suite};

/// Returns a suite with the clean condition, `attack` at `eps`, and noise of the same size.
fn suite(attack: &str, eps: f64) -> Suite {
    suite::suite(
        "seed = 1",
        &[
            ("clean", "kind = \"clean\"".to_owned()),
            ("attack", format!("{attack}\neps = {eps}\ncontrol = \"noise\"")),
            ("noise", format!("kind = \"random_sign\"\neps = {eps}\ncontrol = \"clean\"")),
        ],
    )
}

fn attacked(attack: &str, eps: f64, mut base: Option<LinearModel>) -> (Run, Summary) {
    let (suite, cases) = (suite(attack, eps), (0..20).map(flat::case).collect::<Vec<Case>>());
    let plan = Plan::new(&suite, &cases);
    let base = base.as_mut().map(|base| base as &mut dyn Model);
    let run = flat::evaluate(&plan, &mut LINEAR.clone(), base);
    let summary = summary(&plan, &run, None);
    (run, summary)
}

/// Pairs of attack size and number of flipped answers. The images are 1 to 10 grey levels from the threshold, two cases
/// each, and a full step moves the mean by `eps` levels.
const TURNED: [(f64, f64); 4] = [(0.5, 0.0), (1.5, 2.0), (4.5, 8.0), (9.5, 18.0)];

#[test]
fn a_signed_step_flips_the_margins_it_exceeds_and_noise_flips_none() {
    for (eps, turned) in TURNED {
        for attack in ["kind = \"fgsm\"", "kind = \"fgsm\"\ntargeted = true"] {
            let (_, summary) = attacked(attack, eps, None);
            expect(&summary, "accuracy:clean", 1.0);
            expect(&summary, "attack_success:attack", turned / 20.0);
            // The mean of 3,072 random signs is about 0.02, so the noise moves the mean by less than a fifth of
            // a level.
            expect(&summary, "accuracy:noise", 1.0);
            expect(&summary, "attack_success_over_noise:attack", turned / 20.0);
        }
    }
}

#[test]
fn a_step_from_a_random_start_is_longer_and_stays_in_the_ball() {
    let start = "kind = \"fgsm\"\nrandom_start = true";
    for (eps, _) in TURNED {
        for attack in [start.to_owned(), format!("{start}\ntargeted = true")] {
            let (run, summary) = attacked(&attack, eps, None);
            // From a start at u eps, u uniform within -1 to 1, the step ends at min(1, u + 1.25) eps: on average at
            // 0.625 + 0.375 * 0.625 of eps. The images are 1, 1, 2, 2, ... levels from the threshold.
            let turned = 2.0 * (0.859_375 * eps).floor();
            expect(&summary, "attack_success:attack", turned / 20.0);
            let attacks = run.outcomes.iter().filter(|outcome| outcome.condition == "attack");
            let losses: Vec<usize> =
                attacks.map(|outcome| outcome.attack.as_ref().expect("traced").losses.len()).collect();
            assert_eq!(losses, [1; 20], "one gradient each");
        }
    }
    let (one, _) = attacked(start, 4.5, None);
    let (again, _) = attacked(start, 4.5, None);
    let reached = |run: &Run| -> Vec<f64> {
        let attacks = run.outcomes.iter().filter(|outcome| outcome.condition == "attack");
        attacks.map(|outcome| outcome.attack.as_ref().expect("traced").reached.expect("scored")).collect()
    };
    assert_eq!(reached(&one), reached(&again), "the start depends on seed, case and question alone");
    let (plain, _) = attacked("kind = \"fgsm\"", 4.5, None);
    let pairs = reached(&one).into_iter().zip(reached(&plain));
    assert!(pairs.clone().all(|(random, plain)| random < plain), "{:?}", pairs.collect::<Vec<_>>());
}

#[test]
fn pgd_ends_where_one_step_does_on_a_linear_model() {
    for (eps, turned) in TURNED {
        for attack in ["kind = \"pgd\"", "kind = \"pgd\"\nsteps = 5\nrestarts = 1\ntargeted = true"] {
            let (_, summary) = attacked(attack, eps, None);
            expect(&summary, "attack_success:attack", turned / 20.0);
        }
    }
}

#[test]
fn a_trace_holds_the_loss_of_every_step_and_ends_at_the_response() {
    let traces = |attack: &str| -> Vec<_> {
        let (run, _) = attacked(attack, 4.5, None);
        let of = |outcome: &Outcome| outcome.condition == "attack";
        run.outcomes
            .into_iter()
            .filter(of)
            .map(|outcome| (flat::level(outcome.case_id.parse().expect("a number")), outcome.attack.expect("traced")))
            .collect()
    };
    // Margin of an image that is some levels away from the threshold, and that the attack moves 4.5 levels towards the
    // other side.
    let distance = |level: u8| (f64::from(level) - 128.0).abs();
    let margin = |levels: f64| 1000.0 * levels / 255.0;
    for (level, trace) in traces("kind = \"pgd\"") {
        let losses: Vec<f64> = trace.losses.iter().map(|loss| loss.expect("finite")).collect();
        assert_eq!(losses.len(), 21);
        assert!(losses.windows(2).all(|pair| pair[0] < pair[1] + 1e-9), "{losses:?}");
        assert!((losses[0] + margin(distance(level))).abs() < margin(0.3), "random start in the ball: {losses:?}");
        assert!((losses[20] - margin(4.5 - distance(level))).abs() < 0.01);
        assert!((losses[20] - trace.reached.expect("options were scored")).abs() < 1e-6);
    }
    for (level, trace) in traces("kind = \"fgsm\"") {
        assert!((trace.losses[0].expect("finite") + margin(distance(level))).abs() < 0.01 && trace.losses.len() == 1);
        assert!((trace.reached.expect("scored") - margin(4.5 - distance(level))).abs() < 0.01);
    }
    // A targeted attack raises the log-likelihood of the other answer, which is half the margin.
    for (level, trace) in traces("kind = \"pgd\"\ntargeted = true") {
        let last = trace.losses[20].expect("finite");
        assert!((last - margin(4.5 - distance(level)) / 2.0).abs() < 0.01);
        assert!((last - trace.reached.expect("scored")).abs() < 1e-6);
    }
}

#[test]
fn a_transfer_attack_is_made_on_the_base_and_answered_by_the_model() {
    let transfer = "kind = \"transfer\"";
    for (eps, turned) in TURNED {
        let (_, same) = attacked(transfer, eps, Some(LINEAR));
        expect(&same, "attack_success:attack", turned / 20.0);
        // An attack that flips a base model with the opposite sign only increases this model's margin.
        let (run, opposite) = attacked(transfer, eps, Some(LinearModel { weight: -10.0, ..LINEAR }));
        expect(&opposite, "attack_success:attack", 0.0);
        for trace in
            run.outcomes.iter().filter_map(|outcome| outcome.attack.as_ref()).filter(|trace| !trace.losses.is_empty())
        {
            assert!(trace.losses[20] > trace.losses[0] && trace.reached < Some(0.0), "{trace:?}");
        }
    }
    let (run, _) = attacked(transfer, 2.0, None);
    assert_eq!(run.unanswerable[1].get(NO_SURROGATE), Some(&20));
    assert_eq!(run.outcomes.len(), 40);
}

#[test]
fn items_of_a_model_without_gradients_are_counted() {
    let (suite, cases) = (suite("kind = \"fgsm\"", 2.0), constructed::cases(3));
    let plan = Plan::new(&suite, &cases);
    let run = constructed::evaluate(&plan, &mut Planted::new(&cases, Oracle));
    let skips = run.skips(&plan);
    assert_eq!(
        (skips[0].get(NO_GRADIENTS), skips[1].get(NO_GRADIENTS), skips[2].get(NO_GRADIENTS)),
        (None, Some(&12), Some(&12))
    );
    assert_eq!(run.outcomes.len(), 12);
}
