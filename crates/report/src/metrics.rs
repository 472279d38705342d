//! What the reader leans on: every metric with its base, its gain and its denominator.

use std::collections::BTreeSet;

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::summary::{MetricSummary, Summary};

use super::ReportInput;
use super::section::Section;
use super::table::{Cell, Table};

/// Shown openly, with the success of the attacks that speak for their families; all others are in the folded table.
const SHOWN: [&str; 16] = [
    "robust_accuracy",
    "worst_case_accuracy",
    "mean_attacked_accuracy",
    "hint_reliance",
    "misleading_susceptibility",
    "hint_discrimination",
    "visual_reliance_blank",
    "visual_reliance_swap",
    "image_sensitivity",
    "region_grounding",
    "cue_gain",
    "cue_harm",
    "text_dominance",
    "all_orders_accuracy",
    "position_bias",
    "chain_accuracy",
];

const COLUMNS: [(&str, &str); 6] = [
    ("metric", "metric"),
    ("id", "id"),
    ("better", "better"),
    ("base", "base"),
    ("now", "now"),
    ("gain", "gain, points"),
];

/// The section.
pub fn section(input: &ReportInput<'_>) -> Option<Section> {
    let last = input.last();
    let spoken_for: BTreeSet<String> = last
        .conditions
        .iter()
        .filter(|condition| condition.representative)
        .map(|condition| format!("attack_success:{}", condition.id))
        .collect();
    let is_shown = |id: &str, metric: &MetricSummary| {
        metric.estimate.value.is_some() && (SHOWN.contains(&id) || spoken_for.contains(id))
    };
    let shown = last.metrics.iter().filter(|(id, metric)| is_shown(id, metric)).map(|metric| row(input.base, metric));
    let mut tables = vec![Table::new("behaviour", "the metrics a study rests on", COLUMNS, shown).open()];
    if input.is_compared() && last.primary().next().is_some() {
        tables.insert(0, endpoints(last).open());
    }
    let all = last.metrics.iter().map(|metric| row(input.base, metric));
    tables.push(Table::new("metrics", format!("all {} metrics", last.metrics.len()), COLUMNS, all));
    Some(Section {
        id: "metrics",
        title: "What it leans on",
        intro: "In points of 100; a metric of which no item was asked is n/a. The gain is on what both were asked."
            .into(),
        body: String::new(),
        tables,
        half: false,
    })
}

/// The tests that claims rest on.
fn endpoints(summary: &Summary) -> Table {
    let rows = summary.primary().map(|endpoint| {
        [
            Cell::text(endpoint.id),
            Cell::Share(endpoint.base),
            Cell::Share(Some(endpoint.estimate)),
            Cell::Gain(endpoint.gain, endpoint.better),
            Cell::text(endpoint.test),
            Cell::P(endpoint.p),
            Cell::P(endpoint.p_adjusted),
        ]
    });
    Table::new(
        "primary",
        "primary endpoints: named before the run, adjusted together by Holm",
        [
            ("endpoint", "endpoint"),
            ("base", "base"),
            ("now", "now"),
            ("gain", "gain, points"),
            ("test", "test"),
            ("p", "p"),
            ("p_adjusted", "p, adjusted"),
        ],
        rows,
    )
}

fn row(base: &Summary, (id, metric): (&String, &MetricSummary)) -> [Cell; 6] {
    let better = match metric.better {
        Better::Higher => "\u{2191} higher",
        Better::Lower => "\u{2193} lower",
        Better::Neither => "\u{b7} describes",
    };
    [
        Cell::text(metric.label.as_str()),
        Cell::text(id.as_str()),
        Cell::text(better),
        Cell::Share(base.estimate(id)),
        Cell::Share(Some(metric.estimate)),
        Cell::Gain(metric.gain_vs_base, metric.better),
    ]
}
