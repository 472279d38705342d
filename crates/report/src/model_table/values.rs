//! Values and ranks of all models.

use stepwise_benchmark::model_table::{Column, ModelTable, Part};

use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Renders the section `models`: a table of values and ranks for each part of the columns. Never `None`.
pub fn section(table: &ModelTable) -> Option<ReportSection> {
    let parts = [
        (Part::Accuracy, "values_accuracy", "accuracy, use of the image, and chains"),
        (Part::Stages, "values_stages", "chance-corrected accuracy by clinical stage, and slope a stage"),
        (Part::Hints, "values_hints", "right and wrong hints"),
    ];
    let tables = parts.into_iter().filter_map(|(part, name, caption)| {
        let columns: Vec<&Column> = table.columns.iter().filter(|column| column.part == part).collect();
        (!columns.is_empty()).then(|| values(table, &columns, name, caption).open())
    });
    Some(ReportSection {
        id: "models",
        title: "Models",
        intro:
            "Values with 95 % intervals, and ranks beside them. A rank is a range where the tests do not tell models \
                apart. Hint reliance is better when it is smaller; all other columns are better when they are larger."
                .into(),
        body: String::new(),
        tables: tables.collect(),
        half: false,
    })
}

fn values(table: &ModelTable, columns: &[&Column], name: &'static str, caption: &str) -> ReportTable {
    let heads = columns.iter().flat_map(|column| {
        let id = column.id.replace(':', "_");
        [(id.clone(), column.label.to_owned()), (format!("{id}_rank"), "rank".to_owned())]
    });
    let rows = table.models.iter().enumerate().map(|(place, model)| {
        let cells = columns.iter().flat_map(|column| {
            let value = &column.values[place];
            let estimate = Some(value.estimate);
            let found = if column.is_difference { Cell::Points(estimate) } else { Cell::Share(estimate) };
            [found, Cell::text(rank(value.rank))]
        });
        std::iter::once(Cell::text(model.name.as_str())).chain(cells).collect()
    });
    let heads = std::iter::once(("model".to_owned(), "model".to_owned())).chain(heads);
    ReportTable::wide(name, caption, heads, rows.collect())
}

/// Rank as text: one number where best and worst rank are equal, else a range; a dash without a rank.
fn rank(rank: Option<[usize; 2]>) -> String {
    match rank {
        None => "\u{2013}".to_owned(),
        Some([best, worst]) if best == worst => best.to_string(),
        Some([best, worst]) => format!("{best}\u{2013}{worst}"),
    }
}
