//! Tables and curves: they hold the numbers of the summaries.

use stepwise_benchmark::mock::{GradientMasking, Masker, Planted};
use stepwise_benchmark::model::Model;
use stepwise_benchmark::plan::Plan;
use stepwise_data::case::Answer;
use stepwise_report::{Report, render};
use stepwise_testing::benchmark::constructed::cases;
use stepwise_testing::benchmark::evaluate::summary;
use stepwise_testing::benchmark::flat::{self, LINEAR, attack_suite, partly_mislabelled};
use stepwise_testing::benchmark::suite::uncapped;

use crate::mock::{Attackable, Learner, Prior, evaluate, learned, plain, results};
use crate::read::{rows, table};

#[test]
fn tables_hold_the_numbers_of_the_summaries() {
    let (report, summaries) = learned(&uncapped(), &cases(24), 2);
    let (base, last) = (&summaries[0], &summaries[2]);
    let field = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let all = rows(table(&report, "metrics.csv"));
    assert_eq!(all.len(), last.metrics.len() + 1);
    for (row, (id, metric)) in all[1..].iter().zip(&last.metrics) {
        let gain = metric.gain_vs_base;
        assert_eq!(row[1], *id);
        assert_eq!(row[3], field(base.estimate(id).and_then(|base| base.value)), "{id}");
        assert_eq!(row[7], field(metric.estimate.value), "{id}");
        assert_eq!((&row[8], &row[10]), (&field(metric.estimate.ci.map(|ci| ci[0])), &metric.estimate.n.to_string()));
        assert_eq!(
            (&row[11], &row[13]),
            (&field(gain.and_then(|gain| gain.value)), &field(gain.and_then(|gain| gain.ci).map(|ci| ci[1])))
        );
    }
    let denominators = rows(table(&report, "denominators.csv"));
    let place = |name: &str| denominators[0].iter().position(|column| column == name).expect("a column");
    for (row, condition) in denominators[1..].iter().zip(&last.conditions) {
        let of = |name: &str| row[place(name)].parse::<usize>().expect("a count");
        assert_eq!(of("asked") + of("skipped"), 24 * 4, "{}", condition.id);
        assert_eq!(of("right") + of("wrong") + of("unparsed"), of("asked"), "{}", condition.id);
    }
    let flow = rows(table(&report, "chains.csv"));
    let errors = rows(table(&report, "first_error.csv"));
    let now = |row: &Vec<String>| row[5].parse::<f64>().expect("a share");
    for stage in 1..=4 {
        let before = if stage == 1 { 1.0 } else { now(&flow[stage - 1]) };
        assert!((before - now(&flow[stage]) - now(&errors[stage])).abs() < 1e-12, "stage {stage}");
    }
}

#[test]
fn subgroups_and_questions_without_information_are_tables() {
    let mut cases = cases(24);
    for case in &mut cases[12..] {
        case.source.dataset = "other".to_owned();
    }
    // Every conclusion is a cyst, so the question needs no image.
    for case in &mut cases {
        if let Answer::Choice { gold, .. } = &mut case.chain[3].answer {
            *gold = vec![0];
        }
    }
    let (report, summaries) = learned(&uncapped(), &cases, 1);
    let found = rows(table(&report, "subgroups.csv"));
    let named: Vec<[&str; 2]> = found[1..].iter().map(|row| [row[0].as_str(), row[1].as_str()]).collect();
    // All cases have one modality, so it has no row.
    let expected = [
        ["category", "01 modality"],
        ["category", "09 any abnormality"],
        ["category", "20 internal pattern or composition"],
        ["category", "25 diagnosis"],
        ["dataset", "constructed"],
        ["dataset", "other"],
    ];
    assert_eq!(named, expected);
    let score = summaries[1].estimate("image_score:dataset_other").and_then(|score| score.value).expect("defined");
    let place = found[0].iter().position(|column| column == "image_score_now").expect("a column");
    assert_eq!(found[6][place], score.to_string());
    let one_answer = rows(table(&report, "one_answer.csv"));
    assert_eq!(one_answer[1..], [["What is it?", "cyst", "24"].map(str::to_owned)]);
    assert!(report.html.contains("Paired image score: gain over the untouched base"));
}

/// Returns the report of a model attacked at two sizes.
fn attacked(model: &mut dyn Model) -> Report {
    let (suite, cases) = (attack_suite(), (0..24).map(partly_mislabelled).collect::<Vec<_>>());
    let plan = Plan::new(&suite, &cases);
    let run = flat::evaluate(&plan, model, Some(&mut LINEAR.clone()));
    render(&plain(&summary(&plan, &run, None), &[]))
}

#[test]
fn curves_over_attack_sizes_are_exact_and_failed_checks_come_first() {
    let honest = attacked(&mut LINEAR.clone());
    let curve: Vec<[String; 4]> = rows(table(&honest, "epsilon.csv"))[1..]
        .iter()
        .map(|row| [&row[0], &row[1], &row[6], &row[9]].map(String::clone))
        .collect();
    // Twelve of 24 are right, two each at 1, 3, 5, ... grey levels from the decision threshold.
    let share = |right: u32| (f64::from(right) / 24.0).to_string();
    let line = |name: &str, right: [u32; 3]| {
        let sizes = ["0", "4", "8"].into_iter().zip(right);
        sizes.map(|(eps, right)| [name.to_owned(), eps.to_owned(), share(right), "24".to_owned()]).collect::<Vec<_>>()
    };
    let expected = [
        line("PGD, many steps", [12, 8, 4]),
        line("FGSM, one step", [12, 8, 4]),
        line("made on the base", [12, 8, 4]),
        line("random signs", [12, 12, 12]),
    ];
    assert_eq!(curve, expected.concat());
    assert!(honest.html.contains("14 checks against fake robustness: 14 passed, 0 failed, 0 not applicable."));
    assert!(!honest.html.contains("\u{2718} failed"));

    let reversed = attacked(&mut Masker { inside: LINEAR, mask: GradientMasking::Reversed });
    let top = reversed.html.split("<section id=").next().expect("a head");
    assert!(top.contains("checks against fake robustness failed"), "{top}");
    let failed = rows(table(&reversed, "checks.csv")).iter().filter(|row| row[2] == "\u{2718} failed").count();
    assert!(failed >= 6 && reversed.html.contains(&format!("{failed} failed, ")), "{failed}");
}

#[test]
fn a_line_is_drawn_through_models_with_different_accuracy() {
    let (suite, cases) = (uncapped(), cases(24));
    let plan = Plan::new(&suite, &cases);
    let of = |model: &mut dyn Model| summary(&plan, &evaluate(&plan, model), None);
    let base = of(&mut Attackable(Planted::new(&cases, Prior)));
    let summaries = [0, 1, 3].map(|epoch| of(&mut Attackable(Planted::new(&cases, Learner { epoch }))));
    let report = render(&plain(&base, &results(&["1", "2", "3"], &summaries)));
    assert!(report.html.contains("class=\"line trend\"") && !report.html.contains("No line can be used"));
    let all = rows(table(&report, "effective_robustness.csv"));
    let place = |name: &str| all[0].iter().position(|column| column == name).expect("a column");
    for row in &all[1..] {
        assert_eq!(row[place("used")], "used", "{row:?}");
        let of = |name: &str| row[place(name)].parse::<f64>().expect("a number");
        // Effective robustness is the log-odds under attack minus the line's value at the same clean accuracy.
        let odds = |share: f64| (share / (1.0 - share)).ln();
        let above = odds(of("attacked")) - odds(of("expected_percent") / 100.0);
        assert!(of("slope") > 0.0 && (of("effective_robustness") - above).abs() < 1e-6, "{row:?}");
    }
}
