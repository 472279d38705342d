//! Ancestors of an item: the items of its case that its answer builds on.

use super::outcome_table::ItemRow;

/// Returns the items of the case that `row` builds on, directly or through other items, each once. `of_case` holds all
/// items of the case. Empty where it builds on none; None where the item or one of the others was not evaluated clean.
pub(super) fn ancestors<'b, 'a>(row: &ItemRow<'a>, of_case: &'b [ItemRow<'a>]) -> Option<Vec<&'b ItemRow<'a>>> {
    let mut found: Vec<&ItemRow<'a>> = Vec::new();
    let mut wanted: Vec<&str> = row.clean()?.parents.iter().map(String::as_str).collect();
    while let Some(parent) = wanted.pop() {
        if found.iter().any(|known| known.item_id == parent) {
            continue;
        }
        let parent = of_case.iter().find(|other| other.item_id == parent)?;
        wanted.extend(parent.clean()?.parents.iter().map(String::as_str));
        found.push(parent);
    }
    Some(found)
}
