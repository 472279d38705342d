//! Near-duplicate images inside a side of the split.

use super::input::CasesInput;
use crate::section::ReportSection;
use crate::table::{Cell, ReportTable};

/// Renders the section `near`: images with a near-duplicate in another group on the same side of the split. None where
/// there is none.
pub fn section(input: &CasesInput<'_>) -> Option<ReportSection> {
    if input.near.is_empty() {
        return None;
    }
    let cases = &input.dataset.cases;
    let rows = input.near.iter().map(|found| {
        let change = found.change.map_or_else(|| "none".to_owned(), |change| change.to_string());
        [
            Cell::text(cases[found.earlier].case_id.as_str()),
            Cell::text(cases[found.case].case_id.as_str()),
            Cell::text(cases[found.case].split.word()),
            Cell::Text(change),
        ]
    });
    let columns = [("earlier", "case"), ("case", "near-duplicate"), ("split", "split"), ("change", "change")];
    let table = ReportTable::new("near_duplicates", "near-duplicate images inside a side", columns, rows);
    Some(ReportSection {
        id: "near",
        title: "Near-duplicates inside a side",
        intro: "Images with a near-duplicate in another group on the same side of the split. Often both are one patient, who \
                then counts twice."
            .to_owned(),
        body: String::new(),
        tables: vec![table.open()],
        half: false,
    })
}
