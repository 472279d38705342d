//! The JSON Schema of recipes accepts what the reader of recipes accepts, and nothing else.

use std::path::Path;

use serde_json::Value;
use stepwise_config::document::Document;

use crate::{FOREIGN_KEYS, PRESETS, Recipe, reference};

/// Checks a value against the part of JSON Schema that [`Reference::json_schema`] uses.
fn accepts(schema: &Value, value: &toml::Value) -> bool {
    let Some(rules) = schema.as_object() else { return schema.as_bool() == Some(true) };
    rules.iter().all(|(rule, wanted)| match (rule.as_str(), value) {
        ("type", value) => matches!(
            (wanted.as_str(), value),
            (Some("object"), toml::Value::Table(_))
                | (Some("array"), toml::Value::Array(_))
                | (Some("string"), toml::Value::String(_))
                | (Some("boolean"), toml::Value::Boolean(_))
                | (Some("integer" | "number"), toml::Value::Integer(_))
                | (Some("number"), toml::Value::Float(_))
        ),
        ("enum", value) => {
            wanted.as_array().is_some_and(|words| words.iter().any(|word| word.as_str() == value.as_str()))
        }
        ("anyOf", value) => wanted.as_array().is_some_and(|kinds| kinds.iter().any(|kind| accepts(kind, value))),
        ("minLength", toml::Value::String(text)) => text.chars().count() as u64 >= wanted.as_u64().unwrap_or(0),
        ("items", toml::Value::Array(elements)) => elements.iter().all(|element| accepts(wanted, element)),
        ("properties", toml::Value::Table(table)) => {
            table.iter().all(|(name, value)| wanted.get(name).is_none_or(|schema| accepts(schema, value)))
        }
        ("additionalProperties", toml::Value::Table(table)) => {
            let own = |name: &String| rules.get("properties").is_some_and(|own| own.get(name).is_some());
            table.iter().filter(|(name, _)| !own(name)).all(|(_, value)| accepts(wanted, value))
        }
        ("required", toml::Value::Table(table)) => wanted
            .as_array()
            .is_some_and(|names| names.iter().all(|name| name.as_str().is_some_and(|name| table.contains_key(name)))),
        ("minimum", toml::Value::Integer(number)) => wanted.as_f64().is_some_and(|least| *number as f64 >= least),
        ("minimum", toml::Value::Float(number)) => wanted.as_f64().is_some_and(|least| *number >= least),
        ("maximum", toml::Value::Integer(number)) => wanted.as_f64().is_some_and(|most| *number as f64 <= most),
        ("maximum", toml::Value::Float(number)) => wanted.as_f64().is_some_and(|most| *number <= most),
        ("exclusiveMinimum", toml::Value::Integer(number)) => wanted.as_f64().is_some_and(|low| *number as f64 > low),
        ("exclusiveMinimum", toml::Value::Float(number)) => wanted.as_f64().is_some_and(|low| *number > low),
        ("exclusiveMaximum", toml::Value::Integer(number)) => {
            wanted.as_f64().is_some_and(|high| (*number as f64) < high)
        }
        ("exclusiveMaximum", toml::Value::Float(number)) => wanted.as_f64().is_some_and(|high| *number < high),
        _ => true,
    })
}

/// The smallest recipe in which a key of `section` is allowed.
fn base(section: &str) -> String {
    let tuning = if section == "full" { "finetuning_type = \"full\"\n" } else { "" };
    format!("model_name_or_path = \"m\"\n{tuning}data.synth = {{ cases = 8 }}\n[[curriculum.phase]]\n")
}

fn path(section: &str, name: &str) -> String {
    let section = section.replace("curriculum.phase", "curriculum.phase.0");
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

#[test]
fn the_schema_accepts_every_committed_recipe_and_no_misspelt_one() {
    let schema = reference().json_schema();
    for preset in PRESETS {
        let written: toml::Value = preset.text.parse::<toml::Table>().expect("TOML").into();
        assert!(accepts(&schema, &written), "{}", preset.name);
        let recipe = Recipe::parse(Path::new("r.toml"), preset.text.to_owned(), &[]).expect("a recipe");
        let resolved: toml::Value = recipe.to_toml().parse::<toml::Table>().expect("TOML").into();
        assert!(accepts(&schema, &resolved), "{} resolved", preset.name);
    }
    for wrong in ["x = 1", "model_name_or_path = 1", "model_name_or_path = \"m\"\n[lora]\nlora_rank = 2", "[train]"] {
        let wrong: toml::Value = wrong.parse::<toml::Table>().expect("TOML").into();
        assert!(!accepts(&schema, &wrong), "{wrong}");
    }
}

/// Schema and reader accept the same key names: in every table an unknown name is refused.
#[test]
fn unknown_or_misspelt_keys_are_never_dropped() {
    let reference = reference();
    let aliases: Vec<&str> = FOREIGN_KEYS.keys(&reference.keys).map(|(alias, _)| alias).collect();
    for section in reference.sections.keys() {
        let known = |name: &str| {
            reference.keys_of(section).any(|key| key.name == name)
                || reference.tables_of(section).any(|(_, table, _)| table == name)
        };
        for name in aliases.iter().copied().chain(reference.keys.iter().map(|key| key.name)).chain(["zzz"]) {
            let parsed = Recipe::parse(Path::new("r.toml"), base(section), &[format!("{}=1", path(section, name))]);
            let said = parsed.err().map(|error| error.to_string()).unwrap_or_default();
            let refused = said.contains(&format!("unknown key `{name}`"));
            assert_eq!(refused, !known(name), "[{section}] {name}: {said}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn what_the_reader_takes_the_schema_accepts(
        index in 0usize..400,
        value in "(-?[0-9]{1,12}|-?[0-9]\\.[0-9]e-?[0-9]{1,2}|true|false|\"[a-z]{0,9}\"|\\[\\]|\\[1, 2\\]|\\[\"q\"\\]|\\{\\}|\\{ share = 0.1 \\}|nan|inf|1979-05-27)",
    ) {
        let reference = reference();
        let key = &reference.keys[index % reference.keys.len()];
        let (text, set) = (base(&key.section), format!("{}={value}", path(&key.section, key.name)));
        if Recipe::parse(Path::new("r.toml"), text.clone(), std::slice::from_ref(&set)).is_ok() {
            let document = Document::parse("r.toml".into(), text, &[set]).expect("parsed before");
            let plain = document.root.iter().map(|(name, entry)| (name.clone(), entry.node.plain()));
            let plain = toml::Value::Table(plain.collect());
            proptest::prop_assert!(accepts(&reference.json_schema(), &plain), "{plain}");
        }
    }
}
