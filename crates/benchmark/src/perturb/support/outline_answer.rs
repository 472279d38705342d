//! Items whose answer is in the outline of their evidence: the presence, place, number, size, form or relation of its
//! regions. A mask shows these to a model that sees no pixel of the evidence.

use stepwise_data::case::{Answer, Case, Item};

use super::presence::asks_presence;

/// Categories whose answers are places of regions, in Stepwise's own taxonomy.
const PLACES: [&str; 6] = ["06", "07", "12", "13", "16", "22"];

/// Categories whose answers are numbers, sizes or forms of regions.
const FORMS: [&str; 4] = ["14", "17", "18", "21"];

/// Returns whether the answer to `item` is the place of its evidence: a box, or an item of a category of places. An outline
/// that is moved to another place shows another answer. The answers to all other items in the outline, such as sizes and
/// numbers, move with it.
#[must_use]
pub fn is_place(item: &Item) -> bool {
    matches!(item.answer, Answer::Box { .. }) || PLACES.contains(&item.category.as_str())
}

/// Returns whether `item` asks for a number, a size or a form.
#[must_use]
pub fn is_form(item: &Item) -> bool {
    is_number(item) || FORMS.contains(&item.category.as_str())
}

/// Returns whether the answer to `item` of `case` can be read from the outline of its evidence. True for:
///
/// - answers that are boxes or numbers;
/// - the categories of localisation, side, zone, count, region referral, size, form, distribution and spatial relation;
/// - questions for presence: only what is present has evidence, so that a mask says that it is;
/// - items that build on questions for numbers only, such as a density that follows from a count;
/// - conclusions (stage 4) that build on such items only.
#[must_use]
pub fn is_in_outline(case: &Case, item: &Item) -> bool {
    let last = case.chain.iter().position(|other| other.id == item.id);
    let Some(last) = last else { return is_shown(item) };
    // Parents come before their children, so every parent is decided before its child.
    let mut decided: Vec<(&Item, bool)> = Vec::with_capacity(last + 1);
    for item in &case.chain[..=last] {
        let builds_on = |id: &String| decided.iter().find(|(other, _)| other.id == *id).copied();
        let parents: Option<Vec<(&Item, bool)>> = item.parents.iter().map(builds_on).collect();
        let follows = parents.is_some_and(|parents| follows(item, &parents));
        decided.push((item, is_shown(item) || follows));
    }
    decided[last].1
}

fn is_shown(item: &Item) -> bool {
    is_form(item) || is_place(item) || asks_presence(item)
}

fn is_number(item: &Item) -> bool {
    matches!(item.answer, Answer::Number { .. })
}

/// Whether the answer follows from the answers to `parents`, each with whether its own answer is in the outline.
fn follows(item: &Item, parents: &[(&Item, bool)]) -> bool {
    let numbers = parents.iter().filter(|(parent, _)| is_number(parent)).count();
    let all_in_outline = parents.iter().all(|(_, is_in_outline)| *is_in_outline);
    !parents.is_empty() && (numbers == parents.len() || (item.stage == 4 && all_in_outline))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn case() -> Case {
        let choice = json!({"type": "choice", "options": ["a", "b"], "gold": [0]});
        let item = |id: &str, stage: u8, category: &str, parents: &[&str], answer: &serde_json::Value| {
            json!({
                "id": id, "stage": stage, "category": category, "parents": parents, "question": "?", "answer": answer
            })
        };
        let number = json!({"type": "number", "gold": 3.0});
        serde_json::from_value(json!({
            "schema": "case/1", "case_id": "c", "group_id": "g", "split": "test",
            "source": {"dataset": "d", "licence": "l"}, "modality": "m",
            "images": [{"id": "i", "path": "i.png", "sha256": "", "width": 8, "height": 8}],
            "chain": [
                item("present", 2, "10", &[], &json!({"type": "yesno", "gold": true})),
                item("zone", 2, "13", &["present"], &choice),
                item("count", 2, "14", &["present"], &number),
                item("measure", 3, "19", &[], &number),
                item("density", 3, "20", &["count"], &choice),
                item("texture", 3, "20", &["zone", "count"], &choice),
                item("rule", 4, "30", &["count", "zone", "density"], &choice),
                item("type", 4, "25", &["zone"], &choice),
                item("diagnosis", 4, "25", &["count", "texture"], &choice),
                item("lost", 4, "25", &["nowhere"], &choice),
            ]
        }))
        .expect("valid")
    }

    #[test]
    fn geometry_is_found_by_answer_category_and_what_an_item_builds_on() {
        let case = case();
        let read: Vec<&str> =
            case.chain.iter().filter(|item| is_in_outline(&case, item)).map(|item| item.id.as_str()).collect();
        assert_eq!(read, ["present", "zone", "count", "measure", "density", "rule", "type"]);
        let places: Vec<&str> = case.chain.iter().filter(|item| is_place(item)).map(|item| item.id.as_str()).collect();
        assert_eq!(places, ["zone"]);
        let elsewhere = Item { id: "other".into(), ..case.chain[2].clone() };
        assert!(is_in_outline(&case, &elsewhere), "an item outside the chain has its own answer and category");
    }
}
