//! The gain under every condition as a forest plot: a dot for the paired gain, a line for its interval, zero in the middle.

use std::fmt::Write;

use super::ReportInput;
use super::markup::{difference, escape, p_value, percent, table};
use super::plot::{steps, tick};
use crate::perturb::{Purpose, kind};
use crate::summary::{ConditionSummary, Summary};

const GROUPS: [(Purpose, &str, &str); 5] = [
    (Purpose::Reference, "Clean", "the question as it is"),
    (Purpose::Attack, "Attacks", "the evidence is intact; to the right is more robust"),
    (Purpose::Help, "Help", "something true is added"),
    (Purpose::Removal, "Evidence removed", "a reader that looks gets worse here: to the left is no fault"),
    (Purpose::Control, "Controls", "the same surface change without its content"),
];

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    let last = input.last();
    if input.epochs.is_empty() {
        return accuracies(last);
    }
    let (low, high) = range(last);
    let ticks = steps(low, high, 6.0);
    let (low, high) = (ticks[0], ticks[ticks.len() - 1]);
    let place = |value: f64| (value - low) / (high - low) * 100.0;

    let mut rows = String::new();
    for (purpose, name, about) in GROUPS {
        let members: Vec<&ConditionSummary> =
            last.conditions.iter().filter(|condition| condition.purpose == purpose).collect();
        if !members.is_empty() {
            let _ = write!(rows, "<div class=\"group\"><b>{name}</b> <span>{about}</span></div>");
            rows.extend(members.into_iter().map(|condition| row(condition, &ticks, &place)));
        }
    }
    let labels: String = ticks
        .iter()
        .map(|value| {
            format!(
                "<text class=\"tick\" x=\"{:.2}%\" y=\"14\" text-anchor=\"middle\">{}</text>",
                place(*value),
                tick(*value)
            )
        })
        .collect();
    let axis = format!(
        "<div class=\"row axis-row\"><span></span><span class=\"strip\"><svg height=\"38\" width=\"100%\" aria-hidden=\"true\">{labels}\
         <text class=\"axis\" x=\"50%\" y=\"33\" text-anchor=\"middle\">gain over the base, percentage points</text></svg></span><span></span></div>"
    );
    format!(
        "<section><h2>Gain over the base, condition by condition</h2>\
         <p>Accuracy of {} less that of the base on the same items, with its 95 % interval. Filled where the interval \
         excludes zero. \u{2605} marks the primary conditions.</p>\
         <div class=\"forest\">{rows}{axis}</div>{}</section>",
        escape(&input.last_label()),
        numbers(last)
    )
}

fn range(summary: &Summary) -> (f64, f64) {
    let gains = summary.conditions.iter().filter_map(|condition| condition.gain_vs_base);
    let ends = gains.flat_map(|gain| gain.estimate.ci.into_iter().flatten().chain(gain.estimate.value));
    ends.fold((-0.05, 0.05), |(low, high), end| (low.min(end), high.max(end)))
}

fn row(condition: &ConditionSummary, ticks: &[f64], place: &impl Fn(f64) -> f64) -> String {
    let mut svg: String = ticks
        .iter()
        .map(|value| {
            let class = if value.abs() < 1e-9 { "zero" } else { "grid" };
            format!("<line class=\"{class}\" x1=\"{0:.2}%\" x2=\"{0:.2}%\" y1=\"0\" y2=\"30\"/>", place(*value))
        })
        .collect();
    let gain = condition.gain_vs_base;
    if let Some([low, high]) = gain.and_then(|gain| gain.estimate.ci) {
        let _ = write!(
            svg,
            "<line class=\"reach\" x1=\"{:.2}%\" x2=\"{:.2}%\" y1=\"15\" y2=\"15\"/>",
            place(low),
            place(high)
        );
    }
    if let Some(value) = gain.and_then(|gain| gain.estimate.value) {
        let sure = gain.and_then(|gain| gain.estimate.ci).is_some_and(|[low, high]| low > 0.0 || high < 0.0);
        let class = if sure { "tuned" } else { "unsure" };
        let _ = write!(svg, "<circle class=\"dot {class}\" cx=\"{:.2}%\" cy=\"15\" r=\"5.5\"/>", place(value));
    }
    let about = kind(&condition.kind).map_or("", |kind| kind.about);
    let star = if condition.primary { " \u{2605}" } else { "" };
    let result = if condition.n == 0 {
        "<span class=\"none\">no item asked</span>".to_owned()
    } else {
        difference(gain.map(|gain| gain.estimate))
    };
    format!(
        "<div class=\"row\"><span class=\"name\" title=\"{}\">{}{star}</span>\
         <span class=\"strip\"><svg height=\"30\" width=\"100%\" aria-hidden=\"true\">{svg}</svg></span>\
         <span class=\"result\">{result}</span></div>",
        escape(about),
        escape(&condition.id)
    )
}

fn numbers(summary: &Summary) -> String {
    let head = ["condition", "base", "now", "gain, points", "items", "won", "lost", "p, sign flip", "p, adjusted"];
    let rows: Vec<Vec<String>> = summary
        .conditions
        .iter()
        .filter_map(|condition| {
            let gain = condition.gain_vs_base?;
            let value = |value: Option<f64>| value.map_or_else(|| "n/a".to_owned(), percent);
            Some(vec![
                escape(&condition.id),
                value(condition.base.and_then(|base| base.value)),
                value(condition.accuracy),
                difference(Some(gain.estimate)),
                gain.estimate.n.to_string(),
                gain.only_tuned_right.to_string(),
                gain.only_base_right.to_string(),
                p_value(gain.p_sign_flip),
                p_value(gain.p_adjusted),
            ])
        })
        .collect();
    super::markup::folded_table(&head, &rows)
}

/// Before anything is compared: the accuracies alone.
fn accuracies(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = summary
        .conditions
        .iter()
        .map(|condition| {
            let estimate = summary.estimate(&format!("accuracy:{}", condition.id));
            vec![escape(&condition.id), super::markup::share(estimate), condition.n.to_string()]
        })
        .collect();
    format!(
        "<section><h2>Accuracy, condition by condition</h2>{}</section>",
        table(&["condition", "accuracy", "items"], &rows)
    )
}
