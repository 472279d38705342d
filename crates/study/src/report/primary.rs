//! The primary endpoints: every arm against the reference, and the table of arms by endpoints.

use stepwise_benchmark::metrics::Better;
use stepwise_report::markup::{breakable, difference as in_points, escape, p_value};
use stepwise_report::section::Section;
use stepwise_report::strip::{Scale, group};
use stepwise_report::table::{Cell, Table};

use super::{BASE, StudyInput, mark};
use crate::summary::{Difference, Endpoint};

/// The section.
pub fn section(input: &StudyInput<'_>) -> Option<Section> {
    let primary: Vec<(&String, &Endpoint)> =
        input.summary.endpoints.iter().filter(|(_, endpoint)| endpoint.primary).collect();
    let mut rows = String::new();
    for (id, endpoint) in &primary {
        let better = match endpoint.better {
            Better::Higher => "to the right is better",
            Better::Lower => "to the left is better",
            Better::Neither => "it describes and does not judge",
        };
        rows.push_str(&group(&breakable(id), &format!("{}; {better}", escape(&endpoint.label))));
        let scale = Scale::new(input.others(endpoint).map(|(_, found)| mark(found)), true);
        for (name, compared) in input.others(endpoint) {
            rows.push_str(&scale.row((&breakable(name), ""), mark(compared), &result(compared)));
        }
        rows.push_str(&scale.axis("less the reference, percentage points"));
    }
    let reference = escape(&input.summary.reference);
    Some(Section {
        id: "primary",
        title: "Primary endpoints, arm by arm",
        intro: format!(
            "Every arm less <b>{reference}</b>, with its 95 % interval over seeds and groups, and thin the one over seeds and \
             questions. Filled where both exclude zero, and p, the larger of a test over groups and one over questions, adjusted \
             by Holm over all arms here, is below 0.05. The base is no arm: its p is adjusted with those of the endpoints that \
             are not primary."
        ),
        body: format!("<div class=\"forest\">{rows}</div>"),
        tables: vec![arms(input, &primary).open()],
        half: false,
    })
}

/// The difference with its adjusted p.
fn result(difference: Option<&Difference>) -> String {
    let text = in_points(difference.map(|difference| difference.estimate));
    let p = difference.and_then(|difference| difference.p_adjusted);
    p.map_or(text.clone(), |p| format!("{text} <span class=\"n\">p {}</span>", p_value(p)))
}

/// Arms by primary endpoints; the untouched base stands first.
fn arms(input: &StudyInput<'_>, primary: &[(&String, &Endpoint)]) -> Table {
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
    Table::wide(
        "arms",
        "arms by primary endpoints, mean over seeds",
        columns,
        std::iter::once(base).chain(rows).collect(),
    )
}
