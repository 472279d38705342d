//! Conversations: turns of a user and an assistant about images.

use serde_json::Value;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::record::{Record, scalar};

/// Placeholder of an image in a message.
pub(super) const IMAGE: &str = "<image>";

/// Key of a message that says why the tool does not train on it.
pub(super) const UNTAUGHT: &str = "untaught";

/// Key of a message that names the field of the record with its text; without it that is the place in the list of messages.
pub(super) const FIELD: &str = "field";

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
    /// Whether answers are taught word for word, as the tool teaches them.
    pub(super) is_verbatim: bool,
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
            is_verbatim: false,
        }
    }

    /// Names of OpenAI's messages, which ms-swift and TRL use.
    pub(super) fn openai() -> Self {
        let text = str::to_owned;
        Self {
            role: text("role"),
            content: text("content"),
            user: text("user"),
            assistant: text("assistant"),
            system: text("system"),
            is_verbatim: true,
        }
    }
}

/// Returns the row of a conversation in the field `field`. `images` are the images of the record, and `compared` are the
/// fields that rules of a category map compare.
///
/// # Errors
/// When there is no message, roles do not alternate from the user on, a message has no text, or the placeholders do not
/// match the images.
pub(super) fn entry(
    record: &Record,
    field: &str,
    names: &Names,
    images: Vec<ImageRef>,
    compared: &[&str],
) -> Result<Entry, Problems> {
    let advice = "let user and assistant alternate, the user first";
    let Some(Value::Array(messages)) = record.fields.get(field) else {
        return Err(record.problem(field, "is no list of messages", advice));
    };
    let mut said: Vec<Message> = Vec::new();
    let mut remarks = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let at = format!("{field}[{place}]");
        let part = |key: &str| message.get(key).and_then(scalar).unwrap_or_default();
        let role = part(&names.role);
        if role == names.system && place == 0 {
            remarks.extend(system_prompt(&part(&names.content)));
            continue;
        }
        let is_user = role == names.user;
        if !is_user && role != names.assistant {
            return Err(record.problem(&at, format!("the role {role:?} is not known"), advice));
        }
        if is_user != said.len().is_multiple_of(2) {
            return Err(record.problem(&at, format!("{role:?} is out of turn"), advice));
        }
        let field = message.get(FIELD).and_then(scalar).unwrap_or_else(|| format!("{at}.{}", names.content));
        said.push(Message { text: part(&names.content), field, untaught: untaught(message) });
    }
    if said.is_empty() || !said.len().is_multiple_of(2) {
        return Err(record.problem(field, "does not end with an answer", advice));
    }
    let placeholders: usize = said.iter().map(|message| message.text.matches(IMAGE).count()).sum();
    if placeholders > 0 && placeholders != images.len() {
        let what = format!("has {placeholders} placeholders {IMAGE} for {} images", images.len());
        return Err(record.problem(field, what, "write as many placeholders as images"));
    }
    let fields = record.pick(compared);
    let questions = said.chunks(2).enumerate().map(|(turn, pair)| Question {
        text: pair[0].text.replace(IMAGE, " ").trim().to_owned(),
        field: Some(pair[0].field.clone()),
        golds: vec![Gold::new(&pair[1].field, pair[1].text.clone(), GoldForm::Text)],
        fields: fields.clone(),
        continues: turn > 0,
        is_verbatim: names.is_verbatim,
        untaught: pair[1].untaught.clone(),
        ..Question::default()
    });
    Ok(Entry::Row(Box::new(Row { remarks, ..Row::new(record.place.clone(), images, questions.collect()) })))
}

/// A message of the user or the assistant.
struct Message {
    text: String,
    /// Field of the record with the text.
    field: String,
    /// Why the tool does not train on the message; None when it does.
    untaught: Option<String>,
}

/// Returns the remark on a system prompt; None for a blank one.
pub(super) fn system_prompt(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| "system prompt, which is not read".to_owned())
}

/// Returns why a tool does not train on a message; None when it does.
fn untaught(message: &Value) -> Option<String> {
    let is_off = |loss: &Value| loss.as_bool() == Some(false) || loss.as_f64() == Some(0.0);
    if ["loss", "loss_scale"].iter().any(|key| message.get(*key).is_some_and(is_off)) {
        return Some("a turn without loss, which ms-swift does not train on".to_owned());
    }
    message.get(UNTAUGHT).and_then(scalar)
}
