//! Table of models as CSV: one row for each model.

use stepwise_report::table::{Cell, ReportTable};

use super::groups::Group;

/// Writes all groups as one CSV file. Each row has the number of the group, the model, its answers, and for each column
/// value, interval, number of items, and best and worst rank. Undefined numbers are empty, and so are columns that the
/// suite of a group lacks.
pub fn all(groups: &[Group]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for column in groups.iter().flat_map(|group| &group.table.columns) {
        if !ids.contains(&column.id.as_str()) {
            ids.push(&column.id);
        }
    }
    let head = ["group", "model", "answers", "left_out"].map(str::to_owned).into_iter();
    let head = head.chain(ids.iter().flat_map(|id| {
        let name = id.replace(':', "_");
        [name.clone(), format!("{name}_rank_best"), format!("{name}_rank_worst")]
    }));
    let rows = groups.iter().zip(1..).flat_map(|(group, number)| {
        let ids = &ids;
        group.table.models.iter().enumerate().map(move |(place, model)| {
            let own = [
                Cell::Count(number),
                Cell::text(model.name.as_str()),
                Cell::Count(model.answers),
                Cell::Count(model.left_out),
            ];
            let values = ids.iter().flat_map(|id| {
                let value = group.table.column(id).map(|column| &column.values[place]);
                let rank = |end: usize| Cell::Number(value.and_then(|value| Some(value.rank?[end] as f64)));
                [Cell::Share(value.map(|value| value.estimate)), rank(0), rank(1)]
            });
            own.into_iter().chain(values).collect()
        })
    });
    ReportTable::wide("table", "", head.map(|name| (name, String::new())), rows.collect()).csv().text
}
