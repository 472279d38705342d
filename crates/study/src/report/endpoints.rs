//! Table of every endpoint of every arm.

use stepwise_benchmark::summary::Estimate;
use stepwise_report::section::ReportSection;
use stepwise_report::table::{Cell, ReportTable};

use super::input::{StudyInput, difference};

/// Renders the section `endpoints`: one table of every endpoint of every arm with its difference from the reference and
/// tests. Never `None`.
pub fn section(input: &StudyInput<'_>) -> Option<ReportSection> {
    let rows = input.summary.endpoints.iter().flat_map(|(id, endpoint)| {
        input.rows(endpoint).map(move |(name, estimate, by_seed, found)| {
            let value = |estimate: Estimate| {
                if endpoint.in_points { Cell::Share(Some(estimate)) } else { Cell::Odds(Some(estimate)) }
            };
            let gain = |estimate: Option<Estimate>| {
                if endpoint.in_points { Cell::Gain(estimate, endpoint.better) } else { Cell::Odds(estimate) }
            };
            [
                Cell::text(id.as_str()),
                Cell::text(name),
                Cell::text(if endpoint.primary { "primary" } else { "" }),
                value(endpoint.base),
                value(estimate),
                Cell::text(seeds(by_seed)),
                gain(difference(found)),
                Cell::text(
                    found.map_or_else(String::new, |found| format!("{} of {}", found.agreeing, found.by_seed.len())),
                ),
                Cell::P(found.and_then(|found| found.p_fixed_seeds)),
                Cell::P(found.and_then(|found| found.p_seeds)),
                Cell::P(found.and_then(|found| found.estimate.p_adjusted)),
            ]
        })
    });
    let count = input.summary.endpoints.len();
    Some(ReportSection {
        id: "endpoints",
        title: "All endpoints",
        intro: format!(
            "All {count} endpoints of all arms, in percent and percentage points; effective robustness in log-odds. Only primary \
             endpoints were named before the first run. No claim rests on the others."
        ),
        body: String::new(),
        tables: vec![ReportTable::new(
            "endpoints",
            "every endpoint of every arm",
            [
                ("endpoint", "endpoint"),
                ("arm", "arm"),
                ("named", "named before the first run"),
                ("base", "base"),
                ("value", "mean over seeds"),
                ("by_seed", "each seed"),
                ("difference", "minus the reference"),
                ("agreeing", "seeds that agree"),
                ("p_fixed_seeds", "p over patients and questions"),
                ("p_seeds", "p over seeds"),
                ("p_adjusted", "larger p, adjusted"),
            ],
            rows,
        )],
        half: false,
    })
}

fn seeds(values: &[Option<f64>]) -> String {
    let value = |value: &Option<f64>| value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.3}"));
    values.iter().map(value).collect::<Vec<_>>().join(" ")
}
