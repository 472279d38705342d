//! Output of `--json`: every key with the type of its value, so that no key is removed or changed unnoticed.

use serde_json::{Map, Value};

use crate::common::{TRAINED, Workplace};

/// Replaces values by their types. A list is described by its first element, objects with the same keys by the first.
fn kinds(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(number) => if number.is_f64() { "number" } else { "count" }.into(),
        Value::String(_) => "text".into(),
        Value::Array(all) => all.first().map(kinds).into_iter().collect(),
        Value::Object(all) if all.len() > 5 && all.values().all(Value::is_object) => groups(all),
        Value::Object(all) => all.iter().map(|(key, value)| (key.clone(), kind(key, value))).collect(),
    }
}

/// Type of a key's value. Measured values may be null, depending on the model's answers.
fn kind(key: &str, value: &Value) -> Value {
    match key {
        "value" | "ci" => "measured, or null".into(),
        _ => kinds(value),
    }
}

/// Joins the names of values that have the same keys, and describes the first of these values.
fn groups(all: &Map<String, Value>) -> Value {
    let mut groups: Vec<(Vec<&str>, Vec<&String>, &Value)> = Vec::new();
    for (name, value) in all {
        let keys: Vec<&String> = value.as_object().into_iter().flat_map(Map::keys).collect();
        match groups.iter_mut().find(|(_, of_group, _)| *of_group == keys) {
            Some((names, ..)) => names.push(name),
            None => groups.push((vec![name], keys, value)),
        }
    }
    groups.into_iter().map(|(names, _, value)| (names.join(", "), kinds(value))).collect()
}

#[test]
fn programs_find_every_key() {
    let place = Workplace::with_run();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    place.copy("cases", "wrong");
    place.edit("wrong/cases.jsonl", "wrong/cases.jsonl", "\"modality\":\"", "\"modality\":\"\",\"was\":\"");
    let mut said = String::new();
    for line in [
        "check cases --json",
        "check wrong --json",
        "ask --model_name_or_path model --question what? --max-new-tokens 2 --options CT MRI --json",
        "preview recipe.toml --json",
        "eval run --max-cases 1 --json",
        "compare run/checkpoint-5 run --json",
    ] {
        // Problems in cases are on stdout too, with exit code 2.
        let found = kinds(&place.run(line).json());
        let pretty = serde_json::to_string_pretty(&found).expect("JSON");
        said.push_str(&format!("$ stepwise {line}\n{pretty}\n\n"));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_metric_that_is_in_the_table_is_in_the_json() {
    let table = TRAINED.0.done("eval run --max-cases 1").stdout;
    let summary = TRAINED.0.done("eval run --max-cases 1 --json").json();
    for condition in summary["conditions"].as_array().expect("a list") {
        let id = condition["id"].as_str().expect("an id");
        assert!(table.contains(id), "{id} is not in\n{table}");
    }
}
