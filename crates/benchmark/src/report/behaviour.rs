//! What the reader leans on: every metric of behaviour with its base, its gain and its denominator.

use super::ReportInput;
use super::markup::{difference, escape, folded_table, points, table};
use crate::metrics::Better;
use crate::summary::{Estimate, MetricSummary};

/// Shown openly; all others are in the folded table.
const SHOWN: [&str; 14] = [
    "robust_accuracy",
    "worst_case_accuracy",
    "hint_reliance",
    "misleading_susceptibility",
    "hint_discrimination",
    "visual_reliance_blank",
    "visual_reliance_swap",
    "image_sensitivity",
    "region_grounding",
    "cue_gain",
    "cue_harm",
    "all_orders_accuracy",
    "position_bias",
    "chain_accuracy",
];

const HEAD: [&str; 5] = ["metric", "base", "now", "gain, points", "n"];

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    let last = input.last();
    let is_shown = |id: &str| SHOWN.contains(&id) || id.starts_with("attack_success:");
    let rows = |shown: bool| -> Vec<Vec<String>> {
        last.metrics.iter().filter(|(id, _)| is_shown(id) == shown).map(|(_, metric)| row(metric)).collect()
    };
    format!(
        "<section><h2>What it leans on</h2><p>In points of 100. An arrow says which way is better; a dot, that the number only \
         describes.</p>{}{}</section>",
        table(&HEAD, &rows(true)),
        folded_table(&HEAD, &rows(false)).replace("The numbers", "All other metrics")
    )
}

fn row(metric: &MetricSummary) -> Vec<String> {
    let (arrow, words) = match metric.better {
        Better::Higher => ("\u{2191}", "higher is better"),
        Better::Lower => ("\u{2193}", "lower is better"),
        Better::Neither => ("\u{b7}", "describes"),
    };
    let n = metric.gain_vs_base.map_or(metric.estimate.n, |gain| gain.n.max(metric.estimate.n));
    vec![
        format!("<span class=\"arrow\" title=\"{words}\">{arrow}</span> {}", escape(&metric.label)),
        plain(metric.base),
        plain(Some(metric.estimate)),
        verdict(metric),
        n.to_string(),
    ]
}

fn plain(estimate: Option<Estimate>) -> String {
    let value = estimate.and_then(|estimate| estimate.value);
    value.map_or_else(
        || "<span class=\"none\">n/a</span>".to_owned(),
        |value| points(value).trim_start_matches('+').to_owned(),
    )
}

/// The gain, marked where its interval excludes zero and a direction is known.
fn verdict(metric: &MetricSummary) -> String {
    let text = difference(metric.gain_vs_base);
    let sign = match metric.gain_vs_base.and_then(|gain| gain.ci) {
        Some([low, _]) if low > 0.0 => 1,
        Some([_, high]) if high < 0.0 => -1,
        _ => 0,
    };
    match (metric.better, sign) {
        (Better::Higher, 1) | (Better::Lower, -1) => {
            format!("<span class=\"good\">{text}<span aria-label=\"better\"> \u{2714}</span></span>")
        }
        (Better::Higher, -1) | (Better::Lower, 1) => {
            format!("<span class=\"bad\">{text}<span aria-label=\"worse\"> \u{2718}</span></span>")
        }
        _ => text,
    }
}
