//! Primary endpoints that are metrics: known gains of mock models, and the adjustment of their p-values together with
//! conditions.

use stepwise_benchmark::compare::{Side, compare};
use stepwise_benchmark::mock::{BlindPrior, HintFollower, Oracle, Planted, Policy, PolicyInput};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::suite_file::SuiteError;
use stepwise_benchmark::summary::Summary;

use stepwise_testing::benchmark::constructed::{BALANCED, Looker, cases, evaluate};
use stepwise_testing::benchmark::suite::parse_suite;

fn parse(primary: &[&str]) -> Result<Suite, SuiteError> {
    parse_suite(
        &format!("seed = 5\nprimary = {primary:?}"),
        &[
            ("clean", "kind = \"clean\""),
            ("hint_zero", "kind = \"hint_zero\""),
            ("hint_plus", "kind = \"hint_plus\"\ncontrol = \"hint_zero\""),
            ("hint_minus", "kind = \"hint_minus\"\ncontrol = \"hint_zero\""),
            ("swap_near", "kind = \"swap_near\""),
        ],
    )
}

fn suite(primary: &[&str]) -> Suite {
    parse(primary).expect("valid")
}

fn outcomes(suite: &Suite, policy: impl Policy) -> Vec<Outcome> {
    let cases = cases(BALANCED);
    evaluate(&Plan::new(suite, &cases), &mut Planted::new(&cases, policy)).outcomes
}

fn compared(suite: &Suite, base: &[Outcome], tuned: &[Outcome]) -> Summary {
    Summary::new(suite, &[], tuned, Some(base))
}

/// Mock model that is right on stages 1 and 2 and answers by its prior on later stages.
struct Half;

impl Policy for Half {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        if view.item.stage <= 2 { Oracle.say(view) } else { BlindPrior.say(view) }
    }
}

/// Mock model that is right on every second case and follows right hints on all cases. Wrong hints have no effect.
struct Discerning;

impl Policy for Discerning {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let number: usize = view.case.case_id.trim_start_matches("case-").parse().expect("a number");
        match view.query.condition.as_str() {
            "hint_plus" => view.gold(),
            _ if number.is_multiple_of(2) => view.gold(),
            _ => view.wrong(),
        }
    }
}

/// Returns p-value and adjusted p-value of a primary metric, whose gain must be `gain`.
#[track_caller]
fn tested(summary: &Summary, id: &str, gain: f64) -> (f64, f64) {
    let metric = &summary.metrics[id];
    let found = metric.gain_vs_base.unwrap_or_else(|| panic!("no gain of {id}"));
    let value = found.value.unwrap_or_else(|| panic!("no value of {id}"));
    assert!((value - gain).abs() < 1e-12, "{id} gains {value}, expected {gain}");
    assert!(metric.primary);
    found.p.zip(found.p_adjusted).unwrap_or_else(|| panic!("no test of {id}"))
}

#[test]
fn primary_metrics_and_conditions_are_adjusted_together() {
    let primary = ["chain_accuracy", "stage_slope", "visual_reliance_swap", "attack_success:hint_minus", "hint_minus"];
    let suite = suite(&primary);
    let (base, tuned) = (outcomes(&suite, HintFollower(Half)), outcomes(&suite, Looker));
    let found = compared(&suite, &base, &tuned);
    // Half is right only on stages 1 and 2: K is 1, 1, 0 and 0, so the slope is -0.3 - 0.1. The slope of Looker is 0.
    // Two of twelve chains are right: the ones whose third answer is the first of three and whose fourth is the first
    // of two.
    let chains = tested(&found, "chain_accuracy", 1.0 - 2.0 / 12.0);
    let slope = tested(&found, "stage_slope", 0.4);
    // With a swapped image, Looker gives the answer of the other image, which is wrong. Half answers as before.
    let reliance = tested(&found, "visual_reliance_swap", 1.0);
    // HintFollower is wrong whenever a wrong answer is named.
    let success = tested(&found, "attack_success:hint_minus", -1.0);
    // All answers to four questions differ in the same direction, and four clusters allow no p-value below 1/8.
    assert_eq!((reliance.0, success.0), (1.0 / 8.0, 1.0 / 8.0));
    // Chains are clustered by six patients alone.
    assert!(chains.0 >= 1.0 / 32.0 && chains.0 < 1.0 / 8.0, "{chains:?}");

    // Holm's correction over four metrics and one condition multiplies the smallest p-value by five.
    let hint = found.conditions.iter().find(|condition| condition.id == "hint_minus").expect("asked");
    let hint = hint.gain_vs_base.expect("paired");
    let hint = (hint.estimate.p.expect("tested"), hint.estimate.p_adjusted.expect("adjusted"));
    let (p, adjusted): (Vec<f64>, Vec<f64>) = [hint, chains, slope, reliance, success].into_iter().unzip();
    let mut order: Vec<usize> = (0..5).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut least = 0.0f64;
    for (rank, place) in order.into_iter().enumerate() {
        least = least.max((p[place] * (5 - rank) as f64).min(1.0));
        assert_eq!(adjusted[place], least);
    }
    let ids: Vec<&str> = found.primary().map(|endpoint| endpoint.id).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(ids[0], "hint_minus");
    // A metric that is not primary has a p-value that is not adjusted.
    let robust = &found.metrics["robust_accuracy"];
    assert!(!robust.primary && robust.gain_vs_base.is_some_and(|gain| gain.p.is_some() && gain.p_adjusted.is_none()));
    let json = serde_json::to_string(&found).expect("serialises");
    assert_eq!(serde_json::from_str::<Summary>(&json).expect("reads back"), found);

    // A comparison gives the same tests.
    let side = |name, outcomes| Side { name, checkpoint: None, outcomes, history: None };
    let both = compare(&suite, side("a", &base), side("b", &tuned), &[]).expect("comparable");
    for id in &primary[..4] {
        let pair = &both.metrics[*id];
        assert_eq!((pair.primary, Some(pair.difference)), (true, found.metrics[*id].gain_vs_base), "{id}");
    }
}

#[test]
fn accepting_right_hints_and_rejecting_wrong_ones_is_full_discrimination() {
    let suite = suite(&["hint_discrimination"]);
    let tuned = outcomes(&suite, Discerning);
    let follower = outcomes(&suite, HintFollower(BlindPrior));
    let found = compared(&suite, &follower, &tuned);
    // HintFollower follows every hint, so repair and capture are both 1.
    assert_eq!(found.estimate("hint_discrimination").and_then(|of| of.value), Some(1.0));
    assert_eq!(found.metrics["hint_discrimination"].base.and_then(|of| of.value), Some(0.0));
    let (p, adjusted) = tested(&found, "hint_discrimination", 1.0);
    assert_eq!(adjusted, p, "one test needs no correction");
}

#[test]
fn an_undefined_metric_is_not_tested_and_does_not_correct_other_tests() {
    let suite = suite(&["hint_discrimination", "chain_accuracy"]);
    let found = compared(&suite, &outcomes(&suite, BlindPrior), &outcomes(&suite, Oracle));
    assert!(
        found.metrics["hint_discrimination"].primary,
        "the oracle is never wrong before, so nothing can be repaired"
    );
    assert_eq!(found.metrics["hint_discrimination"].gain_vs_base.and_then(|gain| gain.p_adjusted), None);
    let chains = found.metrics["chain_accuracy"].gain_vs_base.expect("defined");
    assert_eq!(chains.p_adjusted, chains.p);
}

#[test]
fn an_endpoint_that_is_neither_condition_nor_metric_is_refused() {
    let message = |primary: &[&str]| parse(primary).expect_err("refused").to_string();
    assert_eq!(
        message(&["chain_acuracy"]),
        "s.toml:1: primary: `chain_acuracy` is neither a condition nor a metric of this suite -> did you mean \
         `chain_accuracy`?"
    );
    assert!(message(&["attack_success:pgd_4", "bananas"]).contains("`bananas`"));
    assert!(
        message(&["bananas"]).ends_with("-> write ids of conditions, or ids of metrics from `stepwise schema --suite`")
    );
    // The variance of a median is unknown, so it cannot be primary.
    assert!(message(&["number:median_relative_error"]).contains("neither"));
}

#[test]
fn the_digest_depends_on_the_endpoints_and_not_on_their_order() {
    let of = |primary: &[&str]| suite(primary).digest();
    assert_ne!(of(&["clean"]), of(&["clean", "chain_accuracy"]));
    assert_eq!(of(&["chain_accuracy", "clean"]), of(&["clean", "chain_accuracy"]));
}

#[test]
fn the_built_in_suite_names_five_primary_endpoints() {
    let suite = Suite::full();
    assert_eq!(
        suite.primary,
        [
            "ancestor_chain_accuracy",
            "stage_slope",
            "hint_discrimination",
            "visual_reliance_swap",
            "attack_success:pgd_4"
        ]
    );
    assert!(suite.primary.iter().all(|id| suite.is_primary_metric(id)));
    assert!(suite.claims("pgd_4") && !suite.claims("fgsm_4"));
}
