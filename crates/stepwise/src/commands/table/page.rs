//! Table of models as one HTML page.

use stepwise_report::model_table::{ModelTableInput, render};

use super::groups::Found;

/// Renders the page about the largest group, the first one of equally large ones. Models of other groups are named with
/// the reason. The page needs no other file.
pub fn html(title: &str, found: &Found) -> String {
    let size = |place: &usize| (found.groups[*place].table.models.len(), std::cmp::Reverse(*place));
    let Some(largest) = (0..found.groups.len()).max_by_key(size) else { return String::new() };
    let mut notes: Vec<String> = Vec::new();
    if found.groups.len() > 1 {
        notes.push(format!(
            "The page is about group {} of {}; the other formats have all groups.",
            largest + 1,
            found.groups.len()
        ));
    }
    notes.extend(found.remarks());
    let table = &found.groups[largest].table;
    let facts = [("Scoring".to_owned(), table.scoring.describe().to_owned())];
    render(&ModelTableInput { title, facts: &facts, table, notes: &notes }).html
}
