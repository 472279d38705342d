//! TRL's vision sets: `images` or `image` with `messages`, or with `prompt` and `completion`, in JSON Lines, JSON or
//! Parquet. The content of a message is a text, or a list of `{"type": "image"}` and `{"type": "text", "text": ...}`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use stepwise_data::problem::Problems;

use super::super::entry::Entry;
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::{Record, scalar};
use super::super::records::{self, extension};
use super::common::{folder_of, nothing_to_read, read_all};
use super::hugging_face;
use super::image_cells::{has_image, images};
use super::turns::{self, IMAGE, Names};

/// Fields with images.
const IMAGES: [&str; 2] = ["images", "image"];

/// Reason of assistant turns in a prompt.
const IN_PROMPT: &str = "a turn in the prompt, which TRL does not train on";

/// TRL.
pub(super) struct Trl;

impl Format for Trl {
    fn name(&self) -> &'static str {
        "trl"
    }

    fn about(&self) -> &'static str {
        "TRL's vision sets (images with messages of typed parts, or prompt and completion; JSON Lines, JSON, Parquet)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let files = files(source);
        let named = files.first().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        let file = named.unwrap_or_else(|| "JSON Lines or Parquet file".to_owned());
        vec![
            Mark::new(
                format!("{file} with images, and messages or prompt and completion of typed parts"),
                !files.is_empty(),
            ),
            Mark::common("no dataset_info.json", !source.join("dataset_info.json").is_file()),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files = files(source);
        if files.is_empty() {
            return Err(nothing_to_read(
                source,
                "file with images, and messages or prompt and completion of typed parts",
            ));
        }
        let root = folder_of(source);
        let files = files.into_iter().map(|file| (file, ()));
        read_all(source, files.collect(), move |record, ()| entry(record, &root))
    }
}

fn files(source: &Path) -> Vec<PathBuf> {
    let mut all = records::files(source, &["jsonl", "json"]);
    all.extend(hugging_face::files(source));
    all.retain(|path| {
        records::first_record(path).is_some_and(|record| {
            let fields = &record.fields;
            let has_turns = fields.contains_key("messages")
                || ["prompt", "completion"].iter().all(|name| fields.contains_key(*name));
            let is_typed = ["messages", "prompt"].iter().any(|name| has_parts(fields.get(*name)));
            has_turns
                && (is_typed || extension(path) == "parquet")
                && IMAGES.iter().any(|field| has_image(&record, field))
        })
    });
    all
}

/// Returns whether the first message of a list has a content of typed parts.
pub(super) fn has_parts(messages: Option<&Value>) -> bool {
    messages.and_then(|messages| messages.get(0)?.get("content")).is_some_and(Value::is_array)
}

fn entry(record: &Record, root: &Path) -> Result<Entry, Problems> {
    let is_whole = record.fields.contains_key("messages");
    let parts = if is_whole { &[("messages", "user")][..] } else { &[("prompt", "user"), ("completion", "assistant")] };
    let field = parts[0].0;
    let mut flat = Vec::new();
    for (name, role) in parts {
        for (place, message) in listed(record.fields.get(*name).unwrap_or(&Value::Null), role).into_iter().enumerate() {
            let mut message = message;
            let at = format!("{name}[{place}].content");
            let content = text(record, &at, message.get("content"))?;
            message.insert("content".into(), content.into());
            message.insert(turns::FIELD.into(), at.into());
            if *name == "prompt" {
                message.insert(turns::UNTAUGHT.into(), IN_PROMPT.into());
            }
            flat.push(Value::Object(message));
        }
    }
    let mut flattened = record.clone();
    flattened.fields.insert(field.into(), Value::Array(flat));
    let (_, images) = images(record, &IMAGES, root, &["", "images"]);
    turns::entry(&flattened, field, &Names::openai(), images, &[])
}

/// Returns the messages of a list, or the message of a text, which is of `role`.
fn listed(value: &Value, role: &str) -> Vec<Map<String, Value>> {
    let message = |value: &Value| value.as_object().cloned().unwrap_or_default();
    match value {
        Value::Array(list) => list.iter().map(message).collect(),
        Value::String(_) => vec![message(&json!({"role": role, "content": value}))],
        _ => Vec::new(),
    }
}

/// Returns the text of a content, with a placeholder for each image part.
fn text(record: &Record, field: &str, content: Option<&Value>) -> Result<String, Problems> {
    let Some(Value::Array(parts)) = content else { return Ok(content.and_then(scalar).unwrap_or_default()) };
    let mut text = String::new();
    for part in parts {
        match part.get("type").and_then(Value::as_str) {
            Some("image") => text.push_str(IMAGE),
            Some("text") => text.push_str(&part.get("text").and_then(scalar).unwrap_or_default()),
            other => {
                let what = format!("a part has the type {:?}", other.unwrap_or_default());
                return Err(record.problem(field, what, "write parts of the types image and text"));
            }
        }
    }
    Ok(text)
}
