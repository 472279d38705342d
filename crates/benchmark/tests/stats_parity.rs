//! Statistics compared with results of scipy and statsmodels (`tests/parity/stats_reference.py`).

use serde::Deserialize;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::stats::correction::{benjamini_hochberg, holm};
use stepwise_benchmark::stats::design::{design_effect, intra_cluster_correlation, minimum_detectable_difference};
use stepwise_benchmark::stats::paired::{mcnemar_exact, sign_flip};
use stepwise_benchmark::stats::rate::{rule_of_three, wilson};
use stepwise_benchmark::stats::{Bootstrap, Statistic};
use stepwise_benchmark::summary::Summary;
use stepwise_testing::benchmark::suite::suite_of;

#[derive(Deserialize)]
struct Reference {
    wilson: Vec<Wilson>,
    none_seen: Vec<NoneSeen>,
    mcnemar: Vec<McNemar>,
    corrections: Vec<Corrections>,
    sign_flip: Vec<SignFlip>,
    cluster_bootstrap: Vec<ClusterBootstrap>,
    slope_difference: Vec<SlopeDifference>,
    design: Vec<Design>,
    minimum_detectable_difference: Vec<Mde>,
}

#[derive(Deserialize)]
struct Wilson {
    successes: usize,
    trials: usize,
    interval: [f64; 2],
}

#[derive(Deserialize)]
struct McNemar {
    b: usize,
    c: usize,
    p: f64,
}

#[derive(Deserialize)]
struct Corrections {
    p: Vec<f64>,
    holm: Vec<f64>,
    benjamini_hochberg: Vec<f64>,
}

#[derive(Deserialize)]
struct SignFlip {
    differences: Vec<f64>,
    p: f64,
    tolerance: f64,
}

#[derive(Deserialize)]
struct ClusterBootstrap {
    sizes: Vec<f64>,
    right: Vec<f64>,
    other: Vec<f64>,
    difference: f64,
    interval: [f64; 2],
    standard_error: f64,
}

#[derive(Deserialize)]
struct NoneSeen {
    trials: usize,
    bound: f64,
}

#[derive(Deserialize)]
struct SlopeDifference {
    counts: Vec<usize>,
    chance: [f64; 4],
    first: Vec<[usize; 4]>,
    second: Vec<[usize; 4]>,
    difference: f64,
    interval: [f64; 2],
    standard_error: f64,
}

#[derive(Deserialize)]
struct Design {
    clusters: Vec<Vec<f64>>,
    correlation: f64,
    design_effect: f64,
    mean_size: f64,
}

#[derive(Deserialize)]
struct Mde {
    pairs: usize,
    discordant: f64,
    design_effect: f64,
    difference: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../tests/parity/stats.json")).expect("the committed reference")
}

fn close(ours: f64, theirs: f64, tolerance: f64, what: &str) {
    assert!((ours - theirs).abs() <= tolerance, "{what}: {ours} here, {theirs} there");
}

#[test]
fn wilson_intervals_equal_the_reference() {
    for case in reference().wilson {
        let ours = wilson(case.successes, case.trials).expect("trials");
        for (ours, theirs) in ours.into_iter().zip(case.interval) {
            close(ours, theirs, 1e-12, &format!("{} of {}", case.successes, case.trials));
        }
    }
}

#[test]
fn bounds_after_no_event_equal_the_reference() {
    for case in reference().none_seen {
        close(rule_of_three(case.trials).expect("trials"), case.bound, 1e-9, &format!("none of {}", case.trials));
    }
}

#[test]
fn exact_mcnemar_p_values_equal_the_reference() {
    for case in reference().mcnemar {
        close(mcnemar_exact(case.b, case.c), case.p, 1e-10, &format!("{} against {}", case.b, case.c));
    }
}

#[test]
fn adjusted_p_values_equal_the_reference() {
    for case in reference().corrections {
        for (ours, theirs) in holm(&case.p).into_iter().zip(case.holm) {
            close(ours, theirs, 1e-12, "Holm");
        }
        for (ours, theirs) in benjamini_hochberg(&case.p).into_iter().zip(case.benjamini_hochberg) {
            close(ours, theirs, 1e-12, "Benjamini and Hochberg");
        }
    }
}

#[test]
fn sign_flip_p_values_equal_the_reference() {
    for case in reference().sign_flip {
        close(sign_flip(&case.differences, 1), case.p, case.tolerance, &format!("{:?}", case.differences));
    }
}

#[test]
fn cluster_bootstrap_intervals_are_near_the_reference() {
    for case in reference().cluster_bootstrap {
        let groups = case.sizes.len();
        let statistic = Statistic {
            columns: vec![case.other, case.right, case.sizes],
            formula: Box::new(|t| Some((t[0] - t[1]) / t[2])),
        };
        close(statistic.value().expect("defined"), case.difference, 1e-12, "difference");
        let ours = Bootstrap::default().intervals(&[statistic], groups)[0].expect("defined");
        for (ours, theirs) in ours.into_iter().zip(case.interval) {
            // The 2.5th percentile of 10,000 draws has a standard error of about 0.03 standard errors of the statistic.
            close(ours, theirs, 0.12 * case.standard_error, &format!("{groups} groups"));
        }
    }
}

/// Returns outcomes of whole chains. `right` holds, for each group and stage, the number of the group's first cases
/// that are right.
fn chains(case: &SlopeDifference, right: &[[usize; 4]]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (group, (&count, right)) in case.counts.iter().zip(right).enumerate() {
        for number in 0..count {
            for (stage, right) in right.iter().enumerate() {
                let verdict = if number < *right { "right" } else { "wrong" };
                let outcome = serde_json::json!({
                    "case_id": format!("{group}/{number}"), "group_id": format!("{group:03}"),
                    "item_id": stage.to_string(), "stage": stage + 1, "category": "01", "condition": "clean",
                    "verdict": verdict, "gold": "yes", "chance": case.chance[stage],
                });
                outcomes.push(serde_json::from_value(outcome).expect("a valid outcome"));
            }
        }
    }
    outcomes
}

#[test]
fn slope_differences_equal_the_reference() {
    let suite = suite_of("seed = 1", &["clean"]);
    for case in reference().slope_difference {
        let (first, second) = (chains(&case, &case.first), chains(&case, &case.second));
        let summary = Summary::new(&suite, &[], &second, Some(&first), Bootstrap::default());
        let gain = summary.gain("stage_slope").expect("paired");
        close(gain.value.expect("defined"), case.difference, 1e-10, "difference of slopes");
        for (ours, theirs) in gain.ci.expect("bounded").into_iter().zip(case.interval) {
            close(ours, theirs, 0.12 * case.standard_error, "interval of a difference of slopes");
        }
    }
}

#[test]
fn design_effects_and_detectable_differences_equal_the_reference() {
    let reference = reference();
    for case in reference.design {
        let rho = intra_cluster_correlation(&case.clusters).expect("clusters");
        close(rho, case.correlation, 1e-10, "intra-cluster correlation");
        close(design_effect(case.mean_size, rho), case.design_effect, 1e-10, "design effect");
    }
    for case in reference.minimum_detectable_difference {
        let ours = minimum_detectable_difference(case.pairs, case.discordant, case.design_effect);
        close(ours, case.difference, 1e-12, "minimum detectable difference");
    }
}
