//! Tables of all metrics with base, gain and denominator.

use std::collections::BTreeSet;

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::summary::{MetricSummary, Summary};

use super::ReportInput;
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Metrics in the open table, together with the attack success of family representatives. A folded table
/// has all metrics.
const SHOWN: [&str; 27] = [
    "robust_accuracy",
    "worst_case_accuracy",
    "mean_attacked_accuracy",
    "hint_reliance",
    "misleading_susceptibility",
    "hint_discrimination",
    "visual_reliance_blank",
    "visual_reliance_swap",
    "image_score",
    "image_score_control",
    "image_sensitivity",
    "majority_corrected",
    "majority_accuracy",
    "one_answer_share",
    "yes_bias",
    "false_positive_ratio",
    "paraphrase_consistency",
    "overconfidence",
    "calibration_error",
    "region_grounding",
    "cue_gain",
    "cue_harm",
    "text_dominance",
    "all_orders_accuracy",
    "position_bias",
    "ancestor_chain_accuracy",
    "chain_accuracy",
];

const COLUMNS: [(&str, &str); 6] = [
    ("metric", "metric"),
    ("id", "id"),
    ("better", "better"),
    ("base", "base"),
    ("now", "model"),
    ("gain", "gain, percentage points"),
];

/// Renders the section `metrics` about the epoch that the report is about: a table of the primary endpoints with their
/// tests (only with epochs), a table of the main metrics, and a folded table of all metrics. Never `None`.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let last = input.model();
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
    let mut tables = vec![ReportTable::new("behaviour", "main metrics", COLUMNS, shown).open()];
    if input.is_compared() && last.primary().next().is_some() {
        tables.insert(0, endpoints(last).open());
    }
    let all = last.metrics.iter().map(|metric| row(input.base, metric));
    tables.push(ReportTable::new("metrics", format!("all {} metrics", last.metrics.len()), COLUMNS, all));
    Some(ReportSection {
        id: "metrics",
        title: "Metrics",
        intro: "Shares are in percent; n/a means that a metric has no items. Gains use the items that both answered."
            .into(),
        body: String::new(),
        tables,
        half: false,
    })
}

/// Table of the primary endpoints with their tests.
fn endpoints(summary: &Summary) -> ReportTable {
    let rows = summary.primary().map(|endpoint| {
        [
            Cell::text(endpoint.id),
            Cell::Share(endpoint.base),
            Cell::Share(Some(endpoint.estimate)),
            Cell::Gain(endpoint.gain, endpoint.better),
            Cell::P(endpoint.gain.and_then(|gain| gain.p)),
            Cell::P(endpoint.gain.and_then(|gain| gain.p_adjusted)),
        ]
    });
    ReportTable::new(
        "primary",
        "primary endpoints: named before the run, adjusted together by Holm",
        [
            ("endpoint", "endpoint"),
            ("base", "base"),
            ("now", "model"),
            ("gain", "gain, percentage points"),
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
