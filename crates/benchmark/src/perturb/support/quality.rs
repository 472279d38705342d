//! Questions about the quality of an image. A corruption changes their right answer, because it changes the quality.

use stepwise_data::case::{Case, Item};

/// Categories of image quality and of sufficiency, in Stepwise's own taxonomy.
const QUALITY: [&str; 2] = ["08", "31"];
/// Category of the next step, which may be to repeat an image of low quality.
const NEXT_STEP: &str = "30";

/// Returns whether the right answer to `item` of `case` depends on the quality of the image: the item or one of its
/// ancestors asks for the quality, or the item asks for the next step in a case that asks for the quality.
#[must_use]
pub fn depends_on_quality(case: &Case, item: &Item) -> bool {
    let asks = |item: &Item| QUALITY.contains(&item.category.as_str());
    let mut wanted: Vec<&str> = item.parents.iter().map(String::as_str).collect();
    // Parents come before their children, so one pass from the end visits every ancestor after its child.
    let builds_on_quality = case.chain.iter().rev().any(|other| {
        let is_ancestor = wanted.contains(&other.id.as_str());
        if is_ancestor {
            wanted.extend(other.parents.iter().map(String::as_str));
        }
        is_ancestor && asks(other)
    });
    asks(item) || builds_on_quality || (item.category == NEXT_STEP && case.chain.iter().any(asks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quality_and_what_follows_from_it_depend_on_it() {
        let item = |id: &str, stage: u8, category: &str, parents: &[&str]| {
            let answer = json!({"type": "choice", "options": ["a", "b"], "gold": [0]});
            json!({
                "id": id, "stage": stage, "category": category, "parents": parents, "question": "?", "answer": answer
            })
        };
        let case = |chain: Vec<serde_json::Value>| -> Case {
            serde_json::from_value(json!({
                "schema": "case/1", "case_id": "c", "group_id": "g", "split": "test",
                "source": {"dataset": "d", "licence": "l"}, "modality": "m",
                "images": [{"id": "i", "path": "i.png", "sha256": "", "width": 8, "height": 8}], "chain": chain
            }))
            .expect("valid")
        };
        let asked = case(vec![
            item("modality", 1, "01", &[]),
            item("quality", 1, "08", &["modality"]),
            item("find", 2, "11", &["modality"]),
            item("signal", 3, "19", &["quality"]),
            item("type", 4, "25", &["signal", "find"]),
            item("next", 4, "30", &["find"]),
        ]);
        let depends = |case: &Case| -> Vec<String> {
            let chain = case.chain.iter().filter(|item| depends_on_quality(case, item));
            chain.map(|item| item.id.clone()).collect()
        };
        assert_eq!(depends(&asked), ["quality", "signal", "type", "next"]);
        assert!(depends(&case(vec![item("find", 2, "11", &[]), item("next", 4, "30", &["find"])])).is_empty());
    }
}
