//! Tables of a group of models as text, Markdown and LaTeX.

use stepwise_benchmark::model_table::{Column, ColumnValue, LEVEL, ModelTable, Part};
use stepwise_benchmark::stats::FEWEST_CLUSTERS;
use stepwise_benchmark::summary::LARGE_GROUP;

use super::groups::Group;
use crate::table::Table;
use crate::table::cell::{number, number_interval, number_with_interval};

/// Parts with their titles, in the order shown.
const PARTS: [(Part, &str); 3] = [
    (Part::Accuracy, "accuracy"),
    (Part::Stages, "accuracy by clinical stage, corrected for chance"),
    (Part::Hints, "right and wrong hints"),
];

/// Most models in one table of a narrow page; more are continued in another one.
const ROWS: usize = 20;

/// Makes the tables of the group with the index `place`: models, values by part, and ranks.
pub fn all(group: &Group, place: usize) -> Vec<Table> {
    let of_part = |(part, title): (Part, &str)| {
        let columns = columns(&group.table, part);
        let mut table = Table::new(title, [""]);
        table.head.extend(columns.iter().map(|column| format!("{} [95 % interval]", column.label)));
        for (place, model) in group.table.models.iter().enumerate() {
            let values = columns.iter().map(|column| number_with_interval(&column.values[place].estimate));
            table.rows.push(std::iter::once(model.name.clone()).chain(values).collect());
        }
        (!columns.is_empty()).then_some(table)
    };
    let values = PARTS.into_iter().filter_map(of_part);
    std::iter::once(models(group, place)).chain(values).chain([ranks(&group.table)]).collect()
}

/// Makes the same tables for a page: ranks stand behind the values in parentheses, intervals below, and long tables are
/// continued.
pub fn narrow(group: &Group, place: usize) -> Vec<Table> {
    let of_part = |(part, title): (Part, &str)| {
        let columns = columns(&group.table, part);
        let mut table = Table::new(format!("{title}, with ranks and 95 % intervals"), [""]);
        table.head.extend(columns.iter().map(|column| column.label.to_owned()));
        for (place, model) in group.table.models.iter().enumerate() {
            let values = columns.iter().map(|column| ranked(&column.values[place]));
            table.rows.push(std::iter::once(model.name.clone()).chain(values).collect());
            let intervals = columns.iter().map(|column| number_interval(&column.values[place].estimate));
            table.rows.push(std::iter::once(String::new()).chain(intervals).collect());
        }
        (!columns.is_empty()).then_some(table)
    };
    let mut tables = divided(models(group, place), ROWS);
    tables.extend(PARTS.into_iter().filter_map(of_part).flat_map(|table| divided(table, 2 * ROWS)));
    if let Some(last) = tables.last_mut() {
        last.notes.extend(rule(&group.table));
    }
    tables
}

/// Divides a table into tables of at most `most` rows; the notes are below the last one.
fn divided(table: Table, most: usize) -> Vec<Table> {
    let count = table.rows.len().div_ceil(most).max(1);
    let mut parts: Vec<Table> = (0..count)
        .map(|place| Table {
            title: if place == 0 { table.title.clone() } else { format!("{} (continued)", table.title) },
            head: table.head.clone(),
            rows: table.rows.iter().skip(place * most).take(most).cloned().collect(),
            notes: Vec::new(),
        })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.notes = table.notes;
    }
    parts
}

fn columns(table: &ModelTable, part: Part) -> Vec<&Column> {
    table.columns.iter().filter(|column| column.part == part).collect()
}

/// Value with its rank in parentheses, without a rank the value alone.
fn ranked(value: &ColumnValue) -> String {
    match value.rank {
        Some(_) => format!("{} ({})", number(value.estimate.value), rank(value.rank)),
        None => number(value.estimate.value),
    }
}

/// Table of the models: how much each answered, and what all numbers of the group rest on.
fn models(group: &Group, place: usize) -> Table {
    let table = &group.table;
    let title = match (&group.reason, place) {
        (None, 0) => "models".to_owned(),
        _ => format!("group {}: models", place + 1),
    };
    let mut made = Table::new(title, ["", "answers", "left out"]);
    for model in &table.models {
        made.rows.push(vec![model.name.clone(), model.answers.to_string(), model.left_out.to_string()]);
    }
    made.notes.extend(group.reason.iter().map(|reason| format!("not in the first group: {reason}")));
    made.notes.push(format!(
        "suite {} by {}: every model answered these {} questions about {} items in {} groups with {} questions; no number \
         counts any other, so a missing answer is never wrong; intervals and ranks are about other groups and other \
         questions",
        table.suite.name,
        table.scoring.word(),
        table.answered_by_all,
        table.items,
        table.groups,
        table.questions
    ));
    if !table.left_out_conditions.is_empty() {
        let ids = table.left_out_conditions.join(", ");
        made.notes.push(format!("conditions left out, because not every model answered them: {ids}"));
    }
    if table.largest_group > LARGE_GROUP {
        made.notes.push(format!(
            "one group holds {:.0} % of the items: above {:.0} % intervals do not keep their stated coverage",
            100.0 * table.largest_group,
            100.0 * LARGE_GROUP
        ));
    }
    made
}

/// Table of the ranks in all columns, with the rule.
fn ranks(table: &ModelTable) -> Table {
    let mut made = Table::new("ranks", [""]);
    made.head.extend(table.columns.iter().map(|column| column.label.to_owned()));
    for (place, model) in table.models.iter().enumerate() {
        let ranks = table.columns.iter().map(|column| rank(column.values[place].rank));
        made.rows.push(std::iter::once(model.name.clone()).chain(ranks).collect());
    }
    made.notes = rule(table);
    made
}

/// Rule of the ranks, and whether any difference can be sure.
fn rule(table: &ModelTable) -> Vec<String> {
    let mut notes = vec![format!(
        "best rank: 1 + number of models that are surely better; worst rank: number of models less those that are surely \
         worse. Surely: p below {LEVEL}, adjusted by Holm over all {} pairs of the column, over {FEWEST_CLUSTERS} groups and \
         {FEWEST_CLUSTERS} questions or more. A range such as 1-4 means that the tests do not tell these places apart; hint \
         reliance is better when smaller",
        table.pairs()
    )];
    if !table.can_be_sure() && table.models.len() > 1 {
        notes.push(format!(
            "with {} groups and {} questions, no difference of an accuracy can be sure over {} pairs",
            table.groups,
            table.questions,
            table.pairs()
        ));
    }
    notes
}

/// Rank as text: one number where best and worst rank are equal, else a range; a dash without a rank.
fn rank(rank: Option<[usize; 2]>) -> String {
    match rank {
        None => "-".to_owned(),
        Some([best, worst]) if best == worst => best.to_string(),
        Some([best, worst]) => format!("{best}-{worst}"),
    }
}
