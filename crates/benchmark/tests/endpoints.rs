//! Primary endpoints that are metrics: known gains of mock models, and p-values recomputed over all swaps of
//! whole patients.

use stepwise_benchmark::compare::{Side, compare};
use stepwise_benchmark::mock::{BlindPrior, HintFollower, Oracle, Planted, Policy, PolicyInput};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::stats::Bootstrap;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::suite_file::SuiteError;
use stepwise_benchmark::summary::{EndpointTest, Summary};

use stepwise_testing::benchmark::constructed::{BALANCED, Looker, cases, evaluate};
use stepwise_testing::benchmark::suite::parse_suite;

const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 50, seed: 0, level: 0.95 };

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
    Summary::new(suite, &[], tuned, Some(base), BOOTSTRAP)
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

/// Returns the p-value of a metric, computed from the answers alone. For every subset of patients, the two models'
/// answers to all questions of these patients are exchanged, and the metric is computed on each arrangement.
fn p_by_exchange(suite: &Suite, id: &str, base: &[Outcome], tuned: &[Outcome]) -> f64 {
    let patients: std::collections::BTreeSet<&str> = base.iter().map(|outcome| outcome.group_id.as_str()).collect();
    let patients: Vec<&str> = patients.into_iter().collect();
    let value = |outcomes: &[Outcome]| {
        let once = Bootstrap { resamples: 1, ..BOOTSTRAP };
        Summary::new(suite, &[], outcomes, None, once).estimate(id).and_then(|estimate| estimate.value)
    };
    let difference = |exchanged: usize| -> Option<f64> {
        let is_exchanged = |outcome: &&Outcome| {
            let place = patients.iter().position(|patient| *patient == outcome.group_id).expect("a patient");
            exchanged >> place & 1 == 1
        };
        let mixed = |own: &[Outcome], other: &[Outcome]| -> Vec<Outcome> {
            let kept = own.iter().filter(|outcome| !is_exchanged(outcome));
            kept.chain(other.iter().filter(is_exchanged)).cloned().collect()
        };
        Some(value(&mixed(tuned, base))? - value(&mixed(base, tuned))?)
    };
    let observed = difference(0).expect("defined").abs();
    let all: Vec<f64> = (0..1usize << patients.len()).filter_map(difference).collect();
    all.iter().filter(|value| value.abs() >= observed - 1e-9).count() as f64 / all.len() as f64
}

#[track_caller]
fn tested(summary: &Summary, id: &str, gain: f64) -> EndpointTest {
    let metric = &summary.metrics[id];
    let found = metric.gain_vs_base.and_then(|gain| gain.value).unwrap_or_else(|| panic!("no gain of {id}"));
    assert!((found - gain).abs() < 1e-12, "{id} gains {found}, expected {gain}");
    assert!(metric.primary);
    metric.test.unwrap_or_else(|| panic!("no test of {id}"))
}

#[test]
fn primary_metrics_are_tested_by_swapping_patients() {
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
    for (id, test) in [
        ("chain_accuracy", chains),
        ("stage_slope", slope),
        ("visual_reliance_swap", reliance),
        ("attack_success:hint_minus", success),
    ] {
        assert_eq!(test.p_swap, p_by_exchange(&suite, id, &base, &tuned), "{id}");
    }
    // All six patients differ in the same direction, so two of 64 arrangements are as extreme.
    assert_eq!((reliance.p_swap, success.p_swap), (2.0 / 64.0, 2.0 / 64.0));

    // Holm's correction over four metrics and one condition multiplies the smallest p-value by five.
    let hint = found.conditions.iter().find(|condition| condition.id == "hint_minus").expect("asked");
    let hint = hint.gain_vs_base.expect("paired");
    let p = [hint.p_sign_flip, chains.p_swap, slope.p_swap, reliance.p_swap, success.p_swap];
    let adjusted = [hint.p_adjusted, chains.p_adjusted, slope.p_adjusted, reliance.p_adjusted, success.p_adjusted];
    let mut order: Vec<usize> = (0..5).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut least = 0.0f64;
    for (rank, place) in order.into_iter().enumerate() {
        least = least.max((p[place] * (5 - rank) as f64).min(1.0));
        assert_eq!(adjusted[place], least);
    }
    assert_eq!(success.p_adjusted, 10.0 / 64.0);
    let ids: Vec<&str> = found.primary().map(|endpoint| endpoint.id).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!(ids[0], "hint_minus");
    // A metric that is not primary has no test.
    assert_eq!((found.metrics["robust_accuracy"].primary, found.metrics["robust_accuracy"].test), (false, None));
    let json = serde_json::to_string(&found).expect("serialises");
    assert_eq!(serde_json::from_str::<Summary>(&json).expect("reads back"), found);

    // A comparison gives the same tests.
    let side = |name, outcomes| Side { name, checkpoint: None, outcomes, history: None };
    let both = compare(&suite, side("a", &base), side("b", &tuned), &[], BOOTSTRAP).expect("comparable");
    for id in &primary[..4] {
        assert_eq!((both.metrics[*id].primary, both.metrics[*id].test), (true, found.metrics[*id].test), "{id}");
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
    let test = tested(&found, "hint_discrimination", 1.0);
    assert_eq!(test.p_swap, p_by_exchange(&suite, "hint_discrimination", &follower, &tuned));
    assert_eq!(test.p_adjusted, test.p_swap, "one test needs no correction");
}

#[test]
fn an_undefined_metric_is_not_tested_and_does_not_correct_other_tests() {
    let suite = suite(&["hint_discrimination", "chain_accuracy"]);
    let found = compared(&suite, &outcomes(&suite, BlindPrior), &outcomes(&suite, Oracle));
    assert!(
        found.metrics["hint_discrimination"].primary,
        "the oracle is never wrong before, so nothing can be repaired"
    );
    assert_eq!(found.metrics["hint_discrimination"].test, None);
    let chains = found.metrics["chain_accuracy"].test.expect("defined");
    assert_eq!(chains.p_adjusted, chains.p_swap);
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
    // A median cannot be tested by swaps, so it cannot be primary.
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
        ["chain_accuracy", "stage_slope", "hint_discrimination", "visual_reliance_swap", "attack_success:pgd_4"]
    );
    assert!(suite.primary.iter().all(|id| suite.is_primary_metric(id)));
    assert!(suite.claims("pgd_4") && !suite.claims("fgsm_4"));
}
