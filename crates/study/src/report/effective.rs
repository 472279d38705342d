//! Whether a gain under attack is more than clean accuracy explains: effective robustness of every arm, and the lines it rests on.

use stepwise_benchmark::summary::Estimate;
use stepwise_report::markup::{breakable, odds, p_value};
use stepwise_report::section::Section;
use stepwise_report::strip::{Scale, group};
use stepwise_report::table::{Cell, Table};

use super::{StudyInput, difference, escape, mark};
use crate::summary::{EFFECTIVE, Endpoint, LINE_ADVICE, Line};

/// The section; none where the suite attacks nothing.
pub fn section(input: &StudyInput<'_>) -> Option<Section> {
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
        body.push_str(&group(&breakable(attack), "to the right, more of it withstands than clean accuracy explains"));
        let scale = Scale::new(input.others(endpoint).map(|(_, found)| mark(found)), true).plain();
        for (name, compared) in input.others(endpoint) {
            let mark = mark(compared);
            let p = compared.and_then(|difference| difference.p_adjusted);
            let p = p.map_or_else(String::new, |p| format!(" <span class=\"n\">p {}</span>", p_value(p)));
            body.push_str(&scale.row((&breakable(name), ""), mark, &(odds(mark.found) + &p)));
        }
        body.push_str(&scale.axis("less the reference, log-odds"));
    }
    let table = found.iter().flat_map(|(attack, endpoint)| {
        input.rows(endpoint).map(|(name, estimate, _, compared)| {
            [
                Cell::text(*attack),
                Cell::text(name),
                Cell::Odds(Some(estimate)),
                Cell::Odds(difference(compared)),
                Cell::P(compared.and_then(|difference| difference.p_adjusted)),
            ]
        })
    });
    let mut tables = vec![line_table(lines)];
    if !found.is_empty() {
        tables.push(Table::new(
            "effective_robustness",
            "effective robustness by attack and arm",
            [
                ("attack", "attack"),
                ("arm", "arm"),
                ("above", "above the line, log-odds"),
                ("difference", "less the reference"),
                ("p_adjusted", "p, adjusted"),
            ],
            table,
        ));
    }
    Some(Section {
        id: "effective",
        title: "More than clean accuracy explains",
        intro: "Models that are better on clean questions are usually better under attack as well, along a line in log-odds. \
                The line is that of the base and all tested steps of the reference's runs; what an arm has above it is \
                robustness of its own. A line that does not surely rise, or whose points differ no more than by chance, is \
                refused. Filled where the intervals over groups and, thin, over questions exclude zero and the larger p, adjusted by \
                Benjamini and Hochberg over all endpoints that are not primary, is below 0.05."
            .into(),
        body: format!("<div class=\"forest\">{body}</div>"),
        tables,
        half: false,
    })
}

/// What each line is, and why it is refused where it is.
fn line_table(lines: &[Line]) -> Table {
    let rows = lines.iter().map(|line| {
        [
            Cell::text(line.attack.as_str()),
            Cell::Odds(Some(Estimate { value: line.slope, ci: line.slope_ci, n: line.points })),
            Cell::Number(line.intercept),
            Cell::Number(line.clean.map(|[low, _]| low * 100.0)),
            Cell::Number(line.clean.map(|[_, high]| high * 100.0)),
            Cell::text(line.refused.as_deref().unwrap_or("used")),
        ]
    });
    Table::new(
        "lines",
        "the reference's lines, by attack; a denominator counts points",
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
