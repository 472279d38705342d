//! The schema agrees with the types, the JSON Schema and the reference page.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::case::Case;

/// A case with every key of the schema.
fn full() -> Value {
    json!({"schema": "case/1", "case_id": "c", "group_id": "g", "split": "train",
        "source": {"dataset": "d", "revision": "r", "licence": "l", "credentialed": false},
        "modality": "ct", "body_region": "chest", "risk_tier": "low",
        "images": [{"id": "i", "path": "i.png", "sha256": "0", "phash": "0", "width": 9, "height": 9,
                    "orientation": "radiological",
                    "pixels": {"source": "i.tif", "sha256": "0", "kind": "tiff", "bits": 16, "mapping": "0:9",
                        "window": [40.0, 400.0], "inverted": true, "turn": "t", "frame": 1, "slice": "axial 1"}}],
        "regions": [
            {"id": "a", "image": "i", "label": "x", "kind": "box", "box": [0.0, 0.5, 1.0, 1.0], "role": "organ"},
            {"id": "b", "image": "i", "label": "x", "kind": "polygon", "points": [[0.0, 1.5]], "role": "finding"},
            {"id": "c", "image": "i", "label": "x", "kind": "mask", "path": "m", "box": [0.0, 0.0, 1.0, 1.0],
             "role": "device"}],
        "chain": [
            item(json!({"type": "choice", "options": ["a", "b"], "gold": [0], "refusal": 1})),
            item(json!({"type": "yesno", "gold": true, "pair_of": "q"})),
            item(json!({"type": "text", "gold": ["a"], "aliases": ["b"]})),
            item(json!({"type": "box", "gold": ["a"], "iou_ok": 0.5})),
            item(json!({"type": "number", "gold": 2.5, "unit": "mm", "abs_tol": 1.0, "rel_tol": 0.5}))]})
}

fn item(answer: Value) -> Value {
    json!({"id": "q", "stage": 1, "category": "01", "parents": ["p"], "question": "?", "answer": answer,
        "evidence": ["a"], "confusable": [1], "paraphrases": ["!"], "rationale": "r",
        "laterality": {"dependent": true, "flipped_gold": "b"}, "vision_required": true})
}

/// JSON pointers of all values inside `value`.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| pointers(value, &format!("{at}/{index}"), all));
        }
        _ => {}
    }
    if !at.is_empty() {
        all.push(at.to_owned());
    }
}

fn reads(value: &Value) -> bool {
    serde_json::from_value::<Case>(value.clone()).is_ok()
}

#[test]
fn the_full_case_has_every_key_of_the_type() {
    assert_eq!(faults(&full()), []);
    let case: Case = serde_json::from_value(full()).expect("reads");
    assert_eq!(serde_json::to_value(case).expect("writes"), full(), "a key of the type is missing in the test");
}

#[test]
fn a_missing_key_is_explained_by_the_meaning_of_its_value() {
    for (key, advice) in [
        ("sha256", "add it: the file's SHA-256 as 64 lower-case hexadecimal digits, as `sha256sum FILE` or"),
        ("width", "add it: a whole number from 0 to 4294967295, the width of the image file in pixels"),
        ("path", "add it: a text"),
    ] {
        let mut case = full();
        case["images"][0].as_object_mut().expect("an object").remove(key);
        let found = faults(&case);
        assert!(found.len() == 1 && found[0].advice.starts_with(advice), "{found:?}");
    }
}

#[test]
fn schema_and_type_agree_on_every_key() {
    let mut all = Vec::new();
    pointers(&full(), "", &mut all);
    let substitutes =
        [json!(null), json!("word"), json!(true), json!(2.5), json!(-1), json!([]), json!([1]), json!({})];
    for pointer in all {
        for substitute in &substitutes {
            let mut changed = full();
            *changed.pointer_mut(&pointer).expect("there") = substitute.clone();
            if pointer == "/schema" && substitute.is_string() {
                // The type accepts any text; the schema accepts only its own name, to refuse other versions.
                assert_eq!((faults(&changed).len(), reads(&changed)), (1, true));
                continue;
            }
            assert_eq!(faults(&changed).is_empty(), reads(&changed), "{pointer} = {substitute}");
        }
        let (parent, key) = pointer.rsplit_once('/').expect("has a parent");
        let mut without = full();
        if let Some(object) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            object.remove(key);
            assert_eq!(faults(&without).is_empty(), reads(&without), "without {pointer}");
        }
    }
}

#[test]
fn an_unknown_key_is_a_fault_that_names_the_nearest_key() {
    let mut all = vec![String::new()];
    pointers(&full(), "", &mut all);
    for pointer in all {
        let mut changed = full();
        if let Some(object) = changed.pointer_mut(&pointer).and_then(Value::as_object_mut) {
            object.insert("weather".into(), json!(1));
            assert_eq!(faults(&changed).len(), 1, "{pointer}");
        }
    }
    let mut misspelt = full();
    let answer = misspelt["chain"][4]["answer"].as_object_mut().expect("object");
    let tolerance = answer.remove("abs_tol").expect("there");
    answer.insert("abstol".into(), tolerance);
    let [fault] = &faults(&misspelt)[..] else { panic!("one fault") };
    assert_eq!(fault.field, "chain[4].answer.abstol");
    assert_eq!(fault.what, "is not a known key (did you mean \"abs_tol\"?)");
}

#[test]
fn all_faults_of_a_line_are_found_at_once() {
    let mut changed = full();
    changed["split"] = json!("trian");
    changed["images"][0]["width"] = json!("nine");
    changed["chain"][1]["answer"]["type"] = json!("yes/no");
    changed.as_object_mut().expect("object").remove("modality");
    let fields: Vec<String> = faults(&changed).into_iter().map(|fault| fault.field).collect();
    assert_eq!(fields, ["split", "modality", "images[0].width", "chain[1].answer.type"]);
}

/// Whether the JSON Schema accepts a value; only the keywords that [`json_schema`] writes.
fn accepts(schema: &Value, value: &Value) -> bool {
    let all = |key: &str| schema.get(key).and_then(Value::as_array);
    let is_type = match (schema.get("type").and_then(Value::as_str), value) {
        (None, _)
        | (Some("string"), Value::String(_))
        | (Some("boolean"), Value::Bool(_))
        | (Some("number"), Value::Number(_))
        | (Some("array"), Value::Array(_))
        | (Some("object"), Value::Object(_))
        | (Some("null"), Value::Null) => true,
        (Some("integer"), number) => number.is_u64() || number.is_i64(),
        _ => false,
    };
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let in_range = value.as_f64().is_none_or(|value| {
        number("minimum").is_none_or(|least| value >= least) && number("maximum").is_none_or(|most| value <= most)
    });
    let items = value.as_array().is_none_or(|items| {
        let count = items.len() as f64;
        number("minItems").is_none_or(|least| count >= least)
            && number("maxItems").is_none_or(|most| count <= most)
            && items.iter().all(|item| accepts(&schema["items"], item))
    });
    let keys = value.as_object().is_none_or(|object| {
        let known = schema.get("properties").and_then(Value::as_object);
        let known = known.is_none_or(|known| {
            object.iter().all(|(key, value)| known.get(key).is_some_and(|schema| accepts(schema, value)))
        });
        known
            && all("required").is_none_or(|keys| keys.iter().all(|key| object.contains_key(key.as_str().unwrap_or(""))))
    });
    let chosen = |key: &str, fits: fn(usize) -> bool| {
        all(key).is_none_or(|schemas| fits(schemas.iter().filter(|schema| accepts(schema, value)).count()))
    };
    let words = all("enum").is_none_or(|words| words.contains(value));
    let word = schema.get("const").is_none_or(|word| word == value);
    is_type
        && in_range
        && items
        && keys
        && words
        && word
        && chosen("anyOf", |fits| fits > 0)
        && chosen("oneOf", |fits| fits == 1)
}

#[test]
fn the_json_schema_accepts_what_the_reader_accepts() {
    let schema = json_schema();
    assert!(accepts(&schema, &full()));
    let mut all = Vec::new();
    pointers(&full(), "", &mut all);
    let substitutes =
        [json!(null), json!("word"), json!(true), json!(2.5), json!(-1), json!([]), json!([1]), json!({})];
    for pointer in all {
        for substitute in &substitutes {
            let mut changed = full();
            *changed.pointer_mut(&pointer).expect("there") = substitute.clone();
            assert_eq!(accepts(&schema, &changed), faults(&changed).is_empty(), "{pointer} = {substitute}");
        }
        let (parent, key) = pointer.rsplit_once('/').expect("has a parent");
        let mut without = full();
        if let Some(object) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            object.remove(key);
            object.insert("weather".into(), json!(1));
            assert!(!accepts(&schema, &without), "unknown key beside {pointer}");
            object_without_weather(&mut without, parent);
            assert_eq!(accepts(&schema, &without), faults(&without).is_empty(), "without {pointer}");
        }
    }
}

fn object_without_weather(value: &mut Value, at: &str) {
    value.pointer_mut(at).and_then(Value::as_object_mut).expect("an object").remove("weather");
}

#[test]
fn the_tables_name_every_key_with_its_meaning() {
    let page = markdown();
    let mut all = Vec::new();
    pointers(&full(), "", &mut all);
    for key in all.iter().filter_map(|pointer| pointer.rsplit('/').next()).filter(|key| key.parse::<usize>().is_err()) {
        assert!(page.contains(&format!("\n| `{key}` | ")), "{key}");
    }
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        assert_eq!(row.matches(" | ").count(), 3, "{row}");
        assert!(row.ends_with(". |"), "{row}");
    }
}

/// Cases of the examples on the page `docs/data.md`.
fn examples() -> Vec<Value> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/data.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"))).collect()
}

#[test]
fn the_examples_of_the_page_are_sound_cases_from_the_smallest_to_one_with_every_key() {
    let examples = examples();
    for example in &examples {
        let folder = tempfile::tempdir().expect("writable");
        std::fs::write(folder.path().join("cases.jsonl"), format!("{example}\n")).expect("written");
        let options = crate::check::CheckOptions { files: crate::check::Files::Skip, ..Default::default() };
        let (_, found) = crate::check::check_file(folder.path(), &options);
        assert_eq!(found.problems, [], "{example}");
    }
    // The smallest case has no key that may be left out.
    let smallest = &examples[0];
    let mut all = Vec::new();
    pointers(smallest, "", &mut all);
    for pointer in all {
        let (parent, key) = pointer.rsplit_once('/').expect("has a parent");
        let mut without = smallest.clone();
        if let Some(object) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            object.remove(key);
            assert!(!faults(&without).is_empty(), "{pointer} may be left out");
        }
    }
    let keys = |value: &Value| -> std::collections::BTreeSet<String> {
        let mut all = Vec::new();
        pointers(value, "", &mut all);
        let part = |part: &str| part.parse::<usize>().map_or_else(|_| part.to_owned(), |_| "[]".to_owned());
        all.iter().map(|pointer| pointer.split('/').map(part).collect::<Vec<_>>().join("/")).collect()
    };
    let last = keys(examples.last().expect("examples"));
    let missing: Vec<String> = keys(&full()).difference(&last).cloned().collect();
    assert!(missing.is_empty(), "the last example lacks {missing:?}");
}
