//! Primary endpoints: differences of every arm from the reference, and a table of arms by endpoints.

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::stats::{FEWEST_CLUSTERS, FEWEST_SEEDS};
use stepwise_report::markup::{breakable, difference as in_points, escape, p_value};
use stepwise_report::section::ReportSection;
use stepwise_report::strip::{Scale, group};
use stepwise_report::table::{Cell, ReportTable};

use super::input::{BASE, StudyInput, mark};
use crate::summary::{Difference, Endpoint};

/// Renders the section `primary`: the difference of every arm from the reference in every primary endpoint, as forest
/// plots, and a table of arms by primary endpoints. Never `None`.
pub fn section(input: &StudyInput<'_>) -> Option<ReportSection> {
    let primary: Vec<(&String, &Endpoint)> =
        input.summary.endpoints.iter().filter(|(_, endpoint)| endpoint.primary).collect();
    let mut rows = String::new();
    for (id, endpoint) in &primary {
        let better = match endpoint.better {
            Better::Higher => "further right is better",
            Better::Lower => "further left is better",
            Better::Neither => "neither direction is better",
        };
        rows.push_str(&group(&breakable(id), &format!("{}; {better}", escape(&endpoint.label))));
        let scale = Scale::new(input.others(endpoint).map(|(_, found)| mark(found)), true);
        for (name, compared) in input.others(endpoint) {
            rows.push_str(&scale.row((&breakable(name), ""), mark(compared), &result(compared)));
        }
        rows.push_str(&scale.axis("minus the reference, percentage points"));
    }
    let reference = escape(&input.summary.reference);
    Some(ReportSection {
        id: "primary",
        title: "Primary endpoints by arm",
        intro: format!(
            "Every arm minus <b>{reference}</b>, with its 95 % interval over patients, questions and seeds. p is adjusted by Holm \
             over all arms and primary endpoints. A dot is filled where it is below 0.05, over {FEWEST_CLUSTERS} patients and \
             {FEWEST_CLUSTERS} questions or more and {FEWEST_SEEDS} seeds or more. The base is not an arm: its p is adjusted with \
             the endpoints that are not primary."
        ),
        body: format!("<div class=\"forest\">{rows}</div>"),
        tables: vec![arms(input, &primary).open()],
        half: false,
    })
}

/// Renders the difference with its adjusted p-value.
fn result(difference: Option<&Difference>) -> String {
    let text = in_points(difference.map(|difference| difference.estimate));
    let p = difference.and_then(|difference| difference.estimate.p_adjusted);
    p.map_or(text.clone(), |p| format!("{text} <span class=\"n\">p {}</span>", p_value(p)))
}

/// Table of arms by primary endpoints; the untouched base comes first.
fn arms(input: &StudyInput<'_>, primary: &[(&String, &Endpoint)]) -> ReportTable {
    let columns = [("arm".to_owned(), "arm".to_owned()), ("seeds".to_owned(), "seeds".to_owned())];
    let columns = columns.into_iter().chain(primary.iter().map(|(id, _)| ((*id).clone(), breakable(id))));
    let base: Vec<Cell> = [Cell::text(BASE), Cell::Count(0)]
        .into_iter()
        .chain(primary.iter().map(|(_, endpoint)| Cell::Share(Some(endpoint.base))))
        .collect();
    let rows = input.summary.arms.iter().enumerate().map(|(place, (name, seeds))| {
        let found = primary.iter().map(|(_, endpoint)| Cell::Share(Some(endpoint.arms[place].estimate)));
        [Cell::text(name.as_str()), Cell::Count(seeds.len())].into_iter().chain(found).collect()
    });
    ReportTable::wide(
        "arms",
        "arms by primary endpoints, mean over seeds",
        columns,
        std::iter::once(base).chain(rows).collect(),
    )
}
