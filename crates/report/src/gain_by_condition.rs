//! Forest plot of the paired gain under every condition, with intervals. A report of the base alone
//! shows its accuracies.

use std::collections::BTreeSet;
use std::fmt::Write;

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::perturb::Purpose;
use stepwise_benchmark::perturb::kinds::kind;
use stepwise_benchmark::stats::FEWEST_CLUSTERS;
use stepwise_benchmark::summary::{ConditionSummary, Estimate, Summary};

use super::ReportInput;
use super::markup::{NONE, breakable, difference, escape, plural, share};
use super::section::ReportSection;
use super::strip::{self, Mark, Scale};
use super::table::{Cell, ReportTable};

const GROUPS: [(Purpose, &str, &str); 5] = [
    (Purpose::Clean, "Clean", "question and image as stored"),
    (Purpose::Attack, "Attacks", "the evidence is intact; further right is more robust"),
    (Purpose::Assist, "Help", "something true is added"),
    (
        Purpose::EvidenceRemoved,
        "Evidence removed",
        "a model that uses the image loses accuracy here, so a loss is not a fault",
    ),
    (Purpose::Control, "Controls", "the same surface change without its content"),
];

/// Returns the estimate that a row shows: the gain, or the accuracy of a base alone.
fn placed(condition: &ConditionSummary, is_gain: bool) -> Option<Estimate> {
    if is_gain { condition.gain_vs_base.map(|gain| gain.estimate) } else { Some(condition.estimate()) }
}

/// Renders the section `conditions`: a forest plot of the gain over the base under every condition, grouped by purpose,
/// with a table of tests. The gain is that of the epoch that the report is about. Without epochs the plot shows the
/// accuracies of the base. Never `None`.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let (last, is_gain) = (input.model(), input.is_compared());
    let scale = Scale::new(last.conditions.iter().map(|condition| mark(condition, is_gain)), is_gain);
    let mut rows = scale.axis("");
    for (purpose, name, about) in GROUPS {
        let members: Vec<&ConditionSummary> =
            last.conditions.iter().filter(|condition| condition.purpose == purpose).collect();
        if members.is_empty() {
            continue;
        }
        let (speaking, others) = divided(members);
        rows.push_str(&strip::group(name, about));
        rows.extend(speaking.into_iter().map(|condition| row(condition, &scale, is_gain)));
        if !others.is_empty() {
            let words = plural(others.len(), "more variant");
            let _ = write!(rows, "<details><summary>{words}: other levels, shapes, personas and kinds</summary>");
            rows.extend(others.into_iter().map(|condition| row(condition, &scale, is_gain)));
            rows.push_str("</details>");
        }
    }
    rows.push_str(&scale.axis(if is_gain { "gain over the base, percentage points" } else { "accuracy, %" }));
    let (title, intro) = if is_gain {
        (
            "Gain over the base, condition by condition",
            format!(
                "Accuracy of {} minus accuracy of the base on the same items, with its 95 % interval. The dot is filled where \
                 the adjusted p is below 0.05, over {FEWEST_CLUSTERS} patients and {FEWEST_CLUSTERS} questions or more. \u{2605} marks primary conditions, \u{25c6} conditions that count in robust accuracy.",
                escape(&input.model_label())
            ),
        )
    } else {
        (
            "Accuracy, condition by condition",
            "Accuracy with 95 % intervals. \u{2605} marks primary conditions, \u{25c6} conditions that count in robust accuracy."
                .to_owned(),
        )
    };
    Some(ReportSection {
        id: "conditions",
        title,
        intro,
        body: format!("<div class=\"forest\">{rows}</div>"),
        tables: vec![numbers(last)],
        half: false,
    })
}

/// Splits conditions into those shown at once and the folded others. Shown are primary conditions, family
/// representatives, and the first condition of each kind that is no attack.
fn divided(members: Vec<&ConditionSummary>) -> (Vec<&ConditionSummary>, Vec<&ConditionSummary>) {
    let mut kinds = BTreeSet::new();
    members.into_iter().partition(|condition| {
        let is_first = kinds.insert(condition.kind.as_str());
        condition.primary || condition.representative || (condition.purpose != Purpose::Attack && is_first)
    })
}

fn row(condition: &ConditionSummary, scale: &Scale, is_gain: bool) -> String {
    let mark = mark(condition, is_gain);
    let about = kind(&condition.kind).map_or("", |kind| kind.about);
    let mut marks = String::new();
    for (is, sign, words) in
        [(condition.primary, '\u{2605}', "primary"), (is_counted(condition), '\u{25c6}', "in robust accuracy")]
    {
        if is {
            let _ = write!(marks, " <span role=\"img\" aria-label=\"{words}\">{sign}</span>");
        }
    }
    let result = match mark.found {
        Some(estimate) => {
            let text = if is_gain { difference(mark.found) } else { share(mark.found) };
            format!("{text} <span class=\"n\">of {}</span>", estimate.n)
        }
        None if condition.n == 0 => "<span class=\"none\">no item answered</span>".to_owned(),
        None => NONE.to_owned(),
    };
    let name = format!("{}{marks}", breakable(&condition.id));
    scale.row((&name, &escape(about)), mark, &result)
}

/// Returns the mark of a row. A gain has a filled dot where a claim may rest on it; an accuracy always has one.
fn mark(condition: &ConditionSummary, is_gain: bool) -> Mark {
    let found = placed(condition, is_gain).filter(|estimate| estimate.value.is_some());
    Mark { found, is_clear: !is_gain || condition.gain_vs_base.is_some_and(|gain| gain.estimate.is_clear()) }
}

/// Returns whether the condition counts in robust accuracy: it represents its family and has answered items.
fn is_counted(condition: &ConditionSummary) -> bool {
    condition.representative && condition.n > 0
}

fn numbers(summary: &Summary) -> ReportTable {
    let rows = summary.conditions.iter().map(|condition| {
        let gain = condition.gain_vs_base;
        [
            Cell::text(condition.id.as_str()),
            Cell::Share(condition.base),
            Cell::Share(Some(condition.estimate())),
            Cell::Gain(gain.map(|gain| gain.estimate), Better::Higher),
            Cell::Count(gain.map_or(0, |gain| gain.only_tuned_right)),
            Cell::Count(gain.map_or(0, |gain| gain.only_base_right)),
            Cell::P(gain.map(|gain| gain.p_mcnemar)),
            Cell::P(gain.and_then(|gain| gain.estimate.p)),
            Cell::P(gain.and_then(|gain| gain.estimate.p_adjusted)),
        ]
    });
    ReportTable::new(
        "conditions",
        "accuracy by condition, paired with the base",
        [
            ("condition", "condition"),
            ("base", "base"),
            ("now", "model"),
            ("gain", "gain, percentage points"),
            ("won", "only model right"),
            ("lost", "only base right"),
            ("p_mcnemar", "p, McNemar"),
            ("p", "p"),
            ("p_adjusted", "p, adjusted"),
        ],
        rows,
    )
}
