//! Schema of the case record. It finds all unknown keys, missing keys and wrong types of a line in one pass, and gives
//! the JSON Schema and the tables of the reference page.
//!
//! `serde` stops at the first fault and accepts unknown keys in flattened and tagged parts; this schema does neither. A
//! test checks that the schema agrees with the types in [`crate::case`].

mod json_schema;
mod keys;
mod kind;
mod markdown;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::problem::did_you_mean;
use keys::CASE;
use kind::Need::{Nullable, Required};
use kind::{Field, Kind, quoted};

pub use json_schema::json_schema;
pub use markdown::markdown;

/// A fault of one line: a key that is unknown or missing, or a value of the wrong type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Path of the field, for example `chain[2].answer.gold`.
    pub(crate) field: String,
    /// Description of the fault.
    pub(crate) what: String,
    /// Advice on how to correct it.
    pub(crate) advice: String,
}

/// Returns all faults of a line, unknown and missing keys and values of wrong types, in the order of the schema; empty
/// when the line can be parsed as a case.
pub(crate) fn faults(line: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    Kind::Object(CASE).check(line, "", &mut faults);
    faults
}

impl Kind {
    fn check(&self, value: &Value, at: &str, faults: &mut Vec<Fault>) {
        match (self, value) {
            (Self::Text, Value::String(_)) | (Self::Flag, Value::Bool(_)) | (Self::Number, Value::Number(_)) => {}
            (Self::Whole(most), Value::Number(number)) if number.as_u64().is_some_and(|whole| whole <= *most) => {}
            (Self::Word(words), Value::String(word)) => {
                if !words.contains(&word.as_str()) {
                    let near = did_you_mean(word, words.iter().copied());
                    faults.push(fault(at, format!("\"{word}\" is not known{near}"), format!("use {}", self.name())));
                }
            }
            (Self::List(kind), Value::Array(values)) => {
                for (index, value) in values.iter().enumerate() {
                    kind.check(value, &format!("{at}[{index}]"), faults);
                }
            }
            (Self::Numbers(count), Value::Array(values))
                if values.len() == *count && values.iter().all(Value::is_number) => {}
            (Self::Object(fields), Value::Object(object)) => check_fields(&[fields], object, at, &[], faults),
            (Self::Tagged(common, tag, variants), Value::Object(object)) => {
                check_tagged(common, tag.0, variants, object, at, faults);
            }
            _ => faults.push(fault(at, format!("is {}", described(value)), format!("write {}", self.name()))),
        }
    }
}

fn check_tagged(
    common: &[Field],
    tag: &str,
    variants: &[(&str, &[Field])],
    object: &Map<String, Value>,
    at: &str,
    faults: &mut Vec<Fault>,
) {
    let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
    let Some(word) = object.get(tag) else {
        faults.push(fault(&join(at, tag), "is missing".into(), format!("add it: one of {}", quoted(&names))));
        return;
    };
    match variants.iter().find(|(name, _)| word.as_str() == Some(*name)) {
        Some((_, fields)) => check_fields(&[common, fields], object, at, &[tag], faults),
        None => {
            let near = word.as_str().map(|word| did_you_mean(word, names.iter().copied())).unwrap_or_default();
            faults.push(fault(
                &join(at, tag),
                format!("{word} is not known{near}"),
                format!("use one of {}", quoted(&names)),
            ));
        }
    }
}

fn check_fields(groups: &[&[Field]], object: &Map<String, Value>, at: &str, others: &[&str], faults: &mut Vec<Fault>) {
    let fields = || groups.iter().copied().flatten();
    for Field(name, need, kind, _) in fields() {
        match (object.get(*name), need) {
            (None, Required) => {
                faults.push(fault(&join(at, name), "is missing".into(), format!("add it: {}", meaning(name, kind))));
            }
            (None, _) | (Some(Value::Null), Nullable) => {}
            (Some(value), _) => kind.check(value, &join(at, name), faults),
        }
    }
    for key in object.keys() {
        if !others.contains(&key.as_str()) && fields().all(|field| field.0 != key) {
            let near = did_you_mean(key, fields().map(|field| field.0));
            faults.push(fault(&join(at, key), format!("is not a known key{near}"), "rename or remove it".into()));
        }
    }
}

/// Words for the digest of a file.
pub(crate) const SHA256: &str =
    "the file's SHA-256 as 64 lower-case hexadecimal digits, as `sha256sum FILE` or `shasum -a 256 FILE` prints it";

/// Words for the value of a key: how to make it if it is computed from a file, else the name of its type.
fn meaning(key: &str, kind: &Kind) -> String {
    match key {
        "sha256" => SHA256.into(),
        "width" | "height" => format!("{}, the {key} of the image file in pixels", kind.name()),
        _ => kind.name(),
    }
}

fn fault(at: &str, what: String, advice: String) -> Fault {
    Fault { field: at.to_owned(), what, advice }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("the text \"{}\"", text.chars().take(40).collect::<String>()),
        Value::Array(values) => format!("a list of {}", values.len()),
        Value::Object(_) => "an object".into(),
    }
}
