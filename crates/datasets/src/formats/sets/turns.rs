//! Conversations: turns of a user and an assistant about images.

use std::path::Path;

use serde_json::Value;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::record::{Record, scalar, texts};

/// Placeholder of an image in a message.
const IMAGE: &str = "<image>";

/// Names of the parts of a message.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Key of the role.
    pub(super) role: String,
    /// Key of the text.
    pub(super) content: String,
    /// Role of the user.
    pub(super) user: String,
    /// Role of the assistant.
    pub(super) assistant: String,
    /// Role of the system prompt, which is not read.
    pub(super) system: String,
}

impl Names {
    /// Names of LLaVA and ShareGPT.
    pub(super) fn sharegpt() -> Self {
        let text = str::to_owned;
        Self {
            role: text("from"),
            content: text("value"),
            user: text("human"),
            assistant: text("gpt"),
            system: text("system"),
        }
    }
}

/// Returns the row of a conversation in the field `field`, or why it is left out. `images` are the paths as the record
/// has them, below the folder `root`.
///
/// # Errors
/// When there is no message, roles do not alternate from the user on, a message has no text, or the placeholders do not
/// match the images.
pub(super) fn entry(
    record: &Record,
    field: &str,
    names: &Names,
    images: (&str, Vec<String>),
    root: &Path,
    compared: &[&str],
) -> Result<Entry, Problems> {
    let advice = "let user and assistant alternate, the user first";
    let (image_field, images) = images;
    let Some(Value::Array(messages)) = record.fields.get(field) else {
        return Err(record.problem(field, "is no list of messages", advice));
    };
    let mut said: Vec<(bool, String)> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let at = format!("{field}[{place}]");
        let part = |key: &str| message.get(key).and_then(scalar).unwrap_or_default();
        let role = part(&names.role);
        if role == names.system && place == 0 {
            continue;
        }
        let is_user = role == names.user;
        if !is_user && role != names.assistant {
            return Err(record.problem(&at, format!("the role {role:?} is not known"), advice));
        }
        if is_user != said.len().is_multiple_of(2) {
            return Err(record.problem(&at, format!("{role:?} is out of turn"), advice));
        }
        said.push((is_user, part(&names.content)));
    }
    if said.is_empty() || !said.len().is_multiple_of(2) {
        return Err(record.problem(field, "does not end with an answer", advice));
    }
    let placeholders: usize = said.iter().map(|(_, text)| text.matches(IMAGE).count()).sum();
    if placeholders > 0 && placeholders != images.len() {
        let what = format!("has {placeholders} placeholders {IMAGE} for {} images", images.len());
        return Err(record.problem(field, what, "write as many placeholders as images"));
    }
    let fields = record.pick(compared);
    let questions = said.chunks(2).enumerate().map(|(turn, pair)| Question {
        text: pair[0].1.replace(IMAGE, " ").trim().to_owned(),
        golds: vec![Gold::new(field, pair[1].1.clone(), GoldForm::Text)],
        fields: fields.clone(),
        continues: turn > 0,
        ..Question::default()
    });
    let images = images.into_iter().map(|path| ImageRef::file(image_field, root, path));
    Ok(Entry::Row(Box::new(Row::new(record.place.clone(), images.collect(), questions.collect()))))
}

/// Returns the paths of the first of the fields that has one, with that field.
pub(super) fn image_paths<'a>(record: &Record, fields: &[&'a str]) -> (&'a str, Vec<String>) {
    let found = fields.iter().map(|field| (*field, texts(record.fields.get(*field))));
    found.into_iter().find(|(_, paths)| !paths.is_empty()).unwrap_or(("image", Vec::new()))
}
