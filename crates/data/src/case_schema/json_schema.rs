//! Writes the JSON Schema of a case (draft 7). Rules between keys are not part of the schema; `stepwise check` checks
//! them.

use serde_json::{Map, Value, json};

use super::keys::CASE;
use super::kind::Need::{Nullable, Required};
use super::kind::{Field, Kind};

/// Returns the JSON Schema (draft 7) of a case, that is of one line of a case file: keys with type, meaning and whether
/// they are required. Unknown keys are refused.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = object(&[CASE], None);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "Stepwise case".into();
    schema
}

/// Schema of an object with the keys of all `groups` and, for a tagged object, the tag with its only word.
fn object(groups: &[&[Field]], tag: Option<(&str, &str)>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if let Some((key, word)) = tag {
        properties.insert(key.to_owned(), json!({ "const": word }));
        required.push(key);
    }
    for Field(name, need, kind, meaning) in groups.iter().copied().flatten() {
        let mut property = match need {
            Nullable => json!({ "anyOf": [value(kind), { "type": "null" }] }),
            _ => value(kind),
        };
        property["description"] = (*meaning).into();
        properties.insert((*name).to_owned(), property);
        if matches!(need, Required) {
            required.push(name);
        }
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Whole(u64::MAX) => json!({ "type": "integer", "minimum": 0 }),
        Kind::Whole(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::List(kind) => json!({ "type": "array", "items": value(kind) }),
        Kind::Numbers(count) => {
            json!({ "type": "array", "items": { "type": "number" }, "minItems": count, "maxItems": count })
        }
        Kind::Object(fields) => object(&[fields], None),
        Kind::Tagged(common, (tag, meaning), variants) => {
            let variants = variants.iter().map(|(word, fields)| object(&[common, fields], Some((*tag, *word))));
            json!({ "oneOf": variants.collect::<Vec<_>>(), "$comment": meaning })
        }
    }
}
