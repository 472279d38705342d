//! Statistics compared with results of scipy and statsmodels (`tests/parity/stats_reference.py`).

use serde::Deserialize;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::stats::adjusted_p::{benjamini_hochberg, holm};
use stepwise_benchmark::stats::design::{design_effect, intra_cluster_correlation, minimum_detectable_difference};
use stepwise_benchmark::stats::paired::mcnemar_exact;
use stepwise_benchmark::stats::rate::{rule_of_three, wilson};
use stepwise_benchmark::stats::{Cells, Statistic, infer, student};
use stepwise_benchmark::summary::Summary;
use stepwise_testing::benchmark::suite::suite_of;

#[derive(Deserialize)]
struct Reference {
    wilson: Vec<Wilson>,
    none_seen: Vec<NoneSeen>,
    mcnemar: Vec<McNemar>,
    corrections: Vec<Corrections>,
    two_way: Vec<TwoWay>,
    student: Vec<Student>,
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
struct TwoWay {
    /// Patient, question, and whether each of the two models is right.
    rows: Vec<(String, String, u8, u8)>,
    difference: Inferred,
    ratio: Inferred,
    statsmodels_error: Option<f64>,
}

#[derive(Deserialize)]
struct Inferred {
    value: f64,
    interval: [f64; 2],
    p: f64,
}

#[derive(Deserialize)]
struct Student {
    t: f64,
    degrees: usize,
    p: f64,
    quantile: f64,
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
    degrees: usize,
    level: f64,
    difference: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../../tests/parity/stats.json")).expect("the committed reference")
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
fn students_t_equals_the_reference() {
    for case in reference().student {
        let what = format!("t {} with {} degrees", case.t, case.degrees);
        close(student::two_sided(case.t, case.degrees), case.p, 1e-9, &what);
        close(student::quantile(0.975, case.degrees), case.quantile, 1e-6, &what);
    }
}

#[test]
fn two_way_intervals_and_p_values_equal_the_reference() {
    for case in reference().two_way {
        let mut numbers: std::collections::BTreeMap<(&str, &str), usize> =
            case.rows.iter().map(|(patient, question, ..)| ((patient.as_str(), question.as_str()), 0)).collect();
        numbers.values_mut().enumerate().for_each(|(number, value)| *value = number);
        let dense = |names: Vec<&str>| -> Vec<usize> {
            let known: std::collections::BTreeSet<&str> = names.iter().copied().collect();
            names.iter().map(|name| known.iter().position(|other| other == name).expect("known")).collect()
        };
        let cells = Cells {
            patients: dense(numbers.keys().map(|(patient, _)| *patient).collect()),
            questions: dense(numbers.keys().map(|(_, question)| *question).collect()),
        };
        let sums = |value: fn(f64, f64) -> f64| {
            let mut column = vec![0.0; numbers.len()];
            for (patient, question, a, b) in &case.rows {
                column[numbers[&(patient.as_str(), question.as_str())]] += value(f64::from(*a), f64::from(*b));
            }
            column
        };
        let difference = Statistic::new(vec![sums(|a, b| b - a), sums(|_, _| 1.0)], |t| Some(t[0] / t[1]));
        let ratio = Statistic::new(vec![sums(|a, b| (1.0 - a) * b), sums(|a, _| 1.0 - a)], |t| Some(t[0] / t[1]));
        for (statistic, theirs) in [(&difference, &case.difference), (&ratio, &case.ratio)] {
            let ours = infer(statistic, &cells).expect("defined");
            close(ours.value, theirs.value, 1e-12, "value");
            let ci = ours.ci.expect("bounded");
            ci.into_iter().zip(theirs.interval).for_each(|(ours, theirs)| close(ours, theirs, 1e-6, "interval"));
            close(ours.p.expect("tested"), theirs.p, 1e-9, "p");
        }
        // statsmodels has the variance of Cameron, Gelbach and Miller with another small-sample correction and without
        // the maximum, so its error is not above.
        if let Some(theirs) = case.statsmodels_error {
            let [low, high] = infer(&difference, &cells).expect("defined").ci.expect("bounded");
            let clusters = cells.patient_count().min(cells.question_count());
            let ours = (high - low) / 2.0 / student::quantile(0.975, clusters - 1);
            assert!(theirs < 1.1 * ours, "{theirs} there, {ours} here");
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
        let summary = Summary::new(&suite, &[], &second, Some(&first));
        let gain = summary.gain("stage_slope").expect("paired");
        close(gain.value.expect("defined"), case.difference, 1e-10, "difference of slopes");
        for (ours, theirs) in gain.ci.expect("bounded").into_iter().zip(case.interval) {
            close(ours, theirs, 1e-6, "interval of a difference of slopes");
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
        let Mde { pairs, discordant, design_effect, degrees, level, difference } = case;
        let ours = minimum_detectable_difference(pairs, discordant, design_effect, degrees, level);
        close(ours, difference, 1e-9, "minimum detectable difference");
    }
}
