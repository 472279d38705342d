//! Whether a gain under attack is more than clean accuracy explains: effective robustness of every arm.

use super::super::markup::{breakable, odds, p_value};
use super::super::section::Section;
use super::super::strip::{Scale, group};
use super::super::table::{Cell, Table};
use super::{StudyInput, difference};
use crate::study::{Difference, EFFECTIVE, Endpoint};

/// The section; none where the reference's epochs make no line.
pub fn section(input: &StudyInput<'_>) -> Option<Section> {
    let found: Vec<(&str, &Endpoint)> = input
        .summary
        .endpoints
        .iter()
        .filter_map(|(id, endpoint)| Some((id.strip_prefix(EFFECTIVE)?, endpoint)))
        .collect();
    if found.is_empty() {
        return None;
    }
    let mut rows = String::new();
    for (attack, endpoint) in &found {
        rows.push_str(&group(&breakable(attack), "to the right, more of it withstands than clean accuracy explains"));
        let scale = Scale::new(input.others(endpoint).filter_map(|(_, arm)| difference(arm)), true).plain();
        for (name, arm) in input.others(endpoint) {
            let found = difference(arm).filter(|found| found.value.is_some());
            let is_sure = arm.difference.as_ref().is_some_and(Difference::is_sure);
            let p = arm.difference.as_ref().and_then(|difference| difference.p_adjusted);
            let p = p.map_or_else(String::new, |p| format!(" <span class=\"n\">p {}</span>", p_value(p)));
            rows.push_str(&scale.row((&breakable(name), ""), found, is_sure, &(odds(found) + &p)));
        }
        rows.push_str(&scale.axis("less the reference, log-odds"));
    }
    let table = found.iter().flat_map(|(attack, endpoint)| {
        let arms = input.summary.arms.iter().zip(&endpoint.arms);
        arms.map(|((name, _), arm)| {
            [
                Cell::text(*attack),
                Cell::text(name.as_str()),
                Cell::Odds(Some(arm.estimate)),
                Cell::Odds(difference(arm)),
                Cell::P(arm.difference.as_ref().and_then(|difference| difference.p_adjusted)),
            ]
        })
    });
    Some(Section {
        id: "effective",
        title: "More than clean accuracy explains",
        intro: "Models that are better on clean questions are usually better under attack as well, along a line in log-odds. The \
                line is that of the reference's base and epochs; what an arm has above it is robustness of its own."
            .into(),
        body: format!("<div class=\"forest\">{rows}</div>"),
        tables: vec![Table::new(
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
        )],
        half: false,
    })
}
