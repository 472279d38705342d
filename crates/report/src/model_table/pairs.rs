//! Differences between all pairs of models.

use stepwise_benchmark::model_table::ModelTable;

use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Renders the section `pairs`: difference, p and adjusted p of every pair of models in every column. `None` with one
/// model.
pub fn section(table: &ModelTable) -> Option<ReportSection> {
    let name = |place: usize| Cell::text(table.models[place].name.as_str());
    let rows: Vec<[Cell; 6]> = table
        .columns
        .iter()
        .flat_map(|column| {
            column.pairs.iter().map(|pair| {
                let difference = pair.difference;
                [
                    Cell::text(column.label),
                    name(pair.a),
                    name(pair.b),
                    Cell::Gain(Some(difference), column.better),
                    Cell::P(difference.p),
                    Cell::P(difference.p_adjusted),
                ]
            })
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let sure: usize =
        table.columns.iter().map(|column| column.pairs.iter().filter(|pair| pair.difference.is_clear()).count()).sum();
    let columns = [
        ("column", "column"),
        ("a", "model A"),
        ("b", "model B"),
        ("difference", "B minus A, percentage points"),
        ("p", "p"),
        ("p_adjusted", "p, adjusted"),
    ];
    Some(ReportSection {
        id: "pairs",
        title: "Differences between models",
        intro: format!(
            "Every pair of models in every column; a mark says that B is surely better or worse than A. {sure} of {} \
             differences are sure.",
            rows.len()
        ),
        body: String::new(),
        tables: vec![ReportTable::new("pairs", "differences between all pairs of models", columns, rows)],
        half: false,
    })
}
