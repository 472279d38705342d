//! Effective robustness of every arm, and the lines of the reference that it is measured from.

use stepwise_benchmark::summary::Estimate;
use stepwise_report::markup::{breakable, escape, odds, p_value};
use stepwise_report::section::ReportSection;
use stepwise_report::strip::{Scale, group};
use stepwise_report::table::{Cell, ReportTable};

use super::input::{StudyInput, difference, mark};
use crate::summary::{EFFECTIVE, Endpoint, LINE_ADVICE, ReferenceLine};

/// Renders the section `effective`: the effective robustness of every arm minus the reference, and the lines of the
/// reference that it is measured from. `None` where the suite has no attack.
pub fn section(input: &StudyInput<'_>) -> Option<ReportSection> {
    let lines = &input.summary.lines;
    if lines.is_empty() {
        return None;
    }
    let found: Vec<(&str, &Endpoint)> = input
        .summary
        .endpoints
        .iter()
        .filter_map(|(id, endpoint)| Some((id.strip_prefix(EFFECTIVE)?, endpoint)))
        .collect();
    let mut body = String::new();
    if found.is_empty() {
        body = format!("<p class=\"tally\">No line can be used: {}.</p>", escape(LINE_ADVICE));
    }
    for (attack, endpoint) in &found {
        body.push_str(&group(&breakable(attack), "further right is more accuracy than clean accuracy predicts"));
        let scale = Scale::new(input.others(endpoint).map(|(_, found)| mark(found)), true).plain();
        for (name, compared) in input.others(endpoint) {
            let mark = mark(compared);
            let p = compared.and_then(|difference| difference.estimate.p_adjusted);
            let p = p.map_or_else(String::new, |p| format!(" <span class=\"n\">p {}</span>", p_value(p)));
            body.push_str(&scale.row((&breakable(name), ""), mark, &(odds(mark.found) + &p)));
        }
        body.push_str(&scale.axis("minus the reference, log-odds"));
    }
    let table = found.iter().flat_map(|(attack, endpoint)| {
        input.rows(endpoint).map(|(name, estimate, _, compared)| {
            [
                Cell::text(*attack),
                Cell::text(name),
                Cell::Odds(Some(estimate)),
                Cell::Odds(difference(compared)),
                Cell::P(compared.and_then(|difference| difference.estimate.p_adjusted)),
            ]
        })
    });
    let mut tables = vec![line_table(lines)];
    if !found.is_empty() {
        tables.push(ReportTable::new(
            "effective_robustness",
            "effective robustness by attack and arm",
            [
                ("attack", "attack"),
                ("arm", "arm"),
                ("above", "above the line, log-odds"),
                ("difference", "minus the reference"),
                ("p_adjusted", "p, adjusted"),
            ],
            table,
        ));
    }
    Some(ReportSection {
        id: "effective",
        title: "Effective robustness",
        intro: "Models with a higher clean accuracy usually have a higher accuracy under attack as well, along a line in log-odds \
                (Taori et al., 2020). The line is fitted to the base and all evaluated steps of the reference's runs; the \
                effective robustness of an arm is its height above the line. A line is refused if the interval of its slope \
                does not lie above zero, or if its points differ in clean accuracy no more than expected by chance. The thick \
                interval is over groups, the thin one over questions. A dot is filled where both intervals exclude zero and the \
                larger p, adjusted by Benjamini and Hochberg over all endpoints that are not primary, is below 0.05."
            .into(),
        body: format!("<div class=\"forest\">{body}</div>"),
        tables,
        half: false,
    })
}

/// Table of the lines, with the reason where a line is refused.
fn line_table(lines: &[ReferenceLine]) -> ReportTable {
    let rows = lines.iter().map(|line| {
        [
            Cell::text(line.attack.as_str()),
            Cell::Odds(Some(Estimate {
                value: line.fit.map(|line| line.slope),
                ci: line.slope_ci,
                n: line.points,
                ..Estimate::default()
            })),
            Cell::Number(line.fit.map(|line| line.intercept)),
            Cell::Number(line.clean.map(|[low, _]| low * 100.0)),
            Cell::Number(line.clean.map(|[_, high]| high * 100.0)),
            Cell::text(line.refused.as_deref().unwrap_or("used")),
        ]
    });
    ReportTable::new(
        "lines",
        "lines of the reference by attack; denominators count points",
        [
            ("attack", "attack"),
            ("slope", "slope"),
            ("intercept", "intercept"),
            ("clean_low_percent", "lowest clean accuracy, %"),
            ("clean_high_percent", "highest, %"),
            ("used", "used"),
        ],
        rows,
    )
    .open()
}
