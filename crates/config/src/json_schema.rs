//! Writes the JSON Schema of a recipe (draft 7, which TOML tools of editors read). Rules between keys are not part of
//! the schema; they are checked when a recipe is loaded.

use std::ops::Bound;

use serde_json::{Map, Value, json};

use crate::kind::ValueKind;
use crate::reference::{Key, Reference};

impl Reference {
    /// Returns the JSON Schema (draft 7) of a recipe, for completion and checks in editors: keys with type, range,
    /// default and description. The schema refuses unknown keys; rules between keys are not part of it.
    #[must_use]
    pub fn json_schema(&self) -> Value {
        let mut schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Stepwise recipe",
        });
        if let (Some(schema), Value::Object(top)) = (schema.as_object_mut(), table(self, "")) {
            schema.extend(top);
        }
        schema
    }
}

fn table(reference: &Reference, section: &str) -> Value {
    let mut properties = Map::new();
    for key in reference.keys_of(section) {
        properties.insert(key.name.to_owned(), property(key));
    }
    for (full, name, kind) in reference.tables_of(section) {
        let inner = table(reference, full);
        let inner = if kind.list { json!({ "type": "array", "items": inner }) } else { inner };
        match properties.get_mut(name) {
            // The key accepts a single value, or a table with keys of its own.
            Some(Value::Object(word)) => {
                let alone = std::mem::take(word);
                let (told, value): (Map<_, _>, Map<_, _>) =
                    alone.into_iter().partition(|(name, _)| matches!(name.as_str(), "description" | "default"));
                word.extend(told);
                word.insert("anyOf".into(), json!([value, inner]));
            }
            _ => {
                properties.insert(name.to_owned(), inner);
            }
        }
    }
    let required: Vec<&str> = reference.keys_of(section).filter(|key| key.required).map(|key| key.name).collect();
    let mut table = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let Some(about) = reference.sections.get(section).map(|section| section.about).filter(|about| !about.is_empty())
    {
        table["description"] = about.into();
    }
    if !required.is_empty() {
        table["required"] = required.into();
    }
    table
}

fn property(key: &Key) -> Value {
    let mut property = kind(&key.accepts.kind);
    let mut description = key.help.to_owned();
    match key.literal_default().and_then(|default| serde_json::to_value(default).ok()) {
        Some(default) => property["default"] = default,
        None => {
            if let Some(default) = &key.default {
                description.push_str(&format!(" Default: {default}."));
            }
        }
    }
    property["description"] = description.into();
    property
}

fn kind(kind: &ValueKind) -> Value {
    match kind {
        ValueKind::Flag => json!({ "type": "boolean" }),
        ValueKind::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        ValueKind::Number(low, high) => {
            let mut number = json!({ "type": "number" });
            match low {
                Bound::Included(low) => number["minimum"] = json!(low),
                Bound::Excluded(low) => number["exclusiveMinimum"] = json!(low),
                Bound::Unbounded => {}
            }
            match high {
                Bound::Included(high) => number["maximum"] = json!(high),
                Bound::Excluded(high) => number["exclusiveMaximum"] = json!(high),
                Bound::Unbounded => {}
            }
            number
        }
        ValueKind::Word(words) => json!({ "enum": words }),
        ValueKind::Text => json!({ "type": "string", "minLength": 1 }),
        ValueKind::List(of) => json!({ "type": "array", "items": self::kind(of) }),
        ValueKind::Map(of) => json!({ "type": "object", "additionalProperties": self::kind(of) }),
        ValueKind::Either(kinds) => json!({ "anyOf": kinds.iter().map(self::kind).collect::<Vec<_>>() }),
        ValueKind::Other => json!({}),
    }
}
