//! Schema of the case record. It finds all unknown keys, missing keys and wrong types of a line in one pass.
//!
//! `serde` stops at the first fault and accepts unknown keys in flattened and tagged parts; this schema does neither. A
//! test checks that the schema agrees with the types in [`crate::case`].

use serde_json::{Map, Value};

use crate::case::SCHEMA;
use crate::problem::did_you_mean;

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

/// Type of a value.
enum Kind {
    Text,
    Flag,
    Number,
    /// A whole number from 0 to the given maximum.
    Whole(u64),
    /// One of the given words.
    Word(&'static [&'static str]),
    List(&'static Kind),
    /// A list of the given number of numbers.
    Numbers(usize),
    Object(&'static [Field]),
    /// An object with a tag: common fields, the key of the tag, and for each word of the tag its further fields.
    Tagged(&'static [Field], &'static str, &'static [(&'static str, &'static [Field])]),
}

/// Whether a key must be present.
enum Need {
    Required,
    /// May be left out, but not null.
    Optional,
    /// May be left out or null.
    Nullable,
}
use Need::{Nullable, Optional, Required};

/// A key of an object, whether it must be present, and the type of its value.
struct Field(&'static str, Need, Kind);

const WORDS: Kind = Kind::List(&Kind::Text);
const PLACES: Kind = Kind::List(&Kind::Whole(u64::MAX));

const CASE: &[Field] = &[
    Field("schema", Required, Kind::Word(&[SCHEMA])),
    Field("case_id", Required, Kind::Text),
    Field("group_id", Required, Kind::Text),
    Field("split", Required, Kind::Word(&["train", "validation", "test"])),
    Field("source", Required, Kind::Object(SOURCE)),
    Field("modality", Required, Kind::Text),
    Field("body_region", Nullable, Kind::Text),
    Field("risk_tier", Nullable, Kind::Text),
    Field("images", Required, Kind::List(&Kind::Object(IMAGE))),
    Field("regions", Optional, Kind::List(&REGION)),
    Field("chain", Required, Kind::List(&Kind::Object(ITEM))),
];

const SOURCE: &[Field] = &[
    Field("dataset", Required, Kind::Text),
    Field("revision", Nullable, Kind::Text),
    Field("licence", Required, Kind::Text),
    Field("credentialed", Optional, Kind::Flag),
];

const IMAGE: &[Field] = &[
    Field("id", Required, Kind::Text),
    Field("path", Required, Kind::Text),
    Field("sha256", Required, Kind::Text),
    Field("phash", Nullable, Kind::Text),
    Field("width", Required, Kind::Whole(u32::MAX as u64)),
    Field("height", Required, Kind::Whole(u32::MAX as u64)),
    Field("orientation", Nullable, Kind::Text),
];

const REGION: Kind = Kind::Tagged(
    &[
        Field("id", Required, Kind::Text),
        Field("image", Required, Kind::Text),
        Field("label", Required, Kind::Text),
        Field("role", Required, Kind::Word(&["organ", "finding", "device", "reference", "body"])),
    ],
    "kind",
    &[
        ("box", &[Field("box", Required, Kind::Numbers(4))]),
        ("polygon", &[Field("points", Required, Kind::List(&Kind::Numbers(2)))]),
        ("mask", &[Field("path", Required, Kind::Text), Field("box", Required, Kind::Numbers(4))]),
    ],
);

const ITEM: &[Field] = &[
    Field("id", Required, Kind::Text),
    Field("stage", Required, Kind::Whole(u8::MAX as u64)),
    Field("category", Required, Kind::Text),
    Field("parents", Optional, WORDS),
    Field("question", Required, Kind::Text),
    Field("answer", Required, ANSWER),
    Field("evidence", Optional, WORDS),
    Field("confusable", Optional, PLACES),
    Field("paraphrases", Optional, WORDS),
    Field("rationale", Nullable, Kind::Text),
    Field("laterality", Nullable, Kind::Object(LATERALITY)),
    Field("vision_required", Nullable, Kind::Flag),
];

const LATERALITY: &[Field] = &[Field("dependent", Required, Kind::Flag), Field("flipped_gold", Nullable, Kind::Text)];

const ANSWER: Kind = Kind::Tagged(
    &[],
    "type",
    &[
        (
            "choice",
            &[
                Field("options", Required, WORDS),
                Field("gold", Required, PLACES),
                Field("refusal", Nullable, Kind::Whole(u64::MAX)),
            ],
        ),
        ("yesno", &[Field("gold", Required, Kind::Flag), Field("pair_of", Nullable, Kind::Text)]),
        ("text", &[Field("gold", Required, WORDS), Field("aliases", Optional, WORDS)]),
        ("box", &[Field("gold", Required, WORDS), Field("iou_ok", Required, Kind::Number)]),
        (
            "number",
            &[
                Field("gold", Required, Kind::Number),
                Field("unit", Nullable, Kind::Text),
                Field("abs_tol", Nullable, Kind::Number),
                Field("rel_tol", Nullable, Kind::Number),
            ],
        ),
    ],
);

/// Returns all faults of a line, unknown and missing keys and values of wrong types, in the order of the schema; empty
/// when the line can be parsed as a case.
pub(crate) fn faults(line: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    Kind::Object(CASE).check(line, "", &mut faults);
    faults
}

impl Kind {
    fn name(&self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Flag => "true or false".into(),
            Self::Number => "a number".into(),
            Self::Whole(u64::MAX) => "a whole number from 0".into(),
            Self::Whole(most) => format!("a whole number from 0 to {most}"),
            Self::Word(words) => format!("one of {}", quoted(words)),
            Self::List(Self::Text) => "a list of texts".into(),
            Self::List(_) => "a list".into(),
            Self::Numbers(count) => format!("a list of {count} numbers"),
            Self::Object(_) | Self::Tagged(..) => "an object".into(),
        }
    }

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
                check_tagged(common, tag, variants, object, at, faults);
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
    for Field(name, need, kind) in fields() {
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

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::case::Case;

    /// A case with every key of the schema.
    fn full() -> Value {
        json!({"schema": "case/1", "case_id": "c", "group_id": "g", "split": "train",
            "source": {"dataset": "d", "revision": "r", "licence": "l", "credentialed": false},
            "modality": "ct", "body_region": "chest", "risk_tier": "low",
            "images": [{"id": "i", "path": "i.png", "sha256": "0", "phash": "0", "width": 9, "height": 9,
                        "orientation": "radiological"}],
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
            Value::Object(object) => {
                object.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all))
            }
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
}
