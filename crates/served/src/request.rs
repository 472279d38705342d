//! Requests in the form of the OpenAI chat API.

use serde_json::{Value, json};
use stepwise_data::conversation::{Conversation, Part, Role};

/// Path of the chat API below the address of a server (which ends in `/v1`).
pub const CHAT: &str = "/chat/completions";

/// Path of the chat API in a row of a batch file.
pub const BATCH_URL: &str = "/v1/chat/completions";

/// Seed that every request carries. Answers are greedy, so it matters only where a server samples nevertheless.
pub const SEED: u64 = 0;

/// Builds the body of a chat request for a greedy answer of at most `max_tokens` tokens. A frequency penalty of 0 is
/// stated, because `transformers serve` otherwise applies the repetition penalty of the model folder's
/// `generation_config.json`. `images` are the URLs of the
/// images that the conversation names by index.
///
/// # Panics
/// When the conversation names an image that `images` lacks.
#[must_use]
pub fn chat_body(model: &str, conversation: &Conversation, images: &[String], max_tokens: usize) -> Value {
    json!({
        "model": model,
        "messages": messages(conversation, images),
        "max_tokens": max_tokens,
        "temperature": 0,
        "frequency_penalty": 0,
        "seed": SEED,
    })
}

/// Builds the messages of a chat request. The content of a turn without images is a string, which every server reads.
///
/// # Panics
/// When the conversation names an image that `images` lacks.
#[must_use]
pub fn messages(conversation: &Conversation, images: &[String]) -> Vec<Value> {
    let part = |part: &Part| match part {
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::Image { index } => json!({"type": "image_url", "image_url": {"url": images[*index]}}),
    };
    let turns = conversation.messages.iter().map(|message| {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let content = match message.content.as_slice() {
            [Part::Text { text }] => json!(text),
            parts => parts.iter().map(part).collect(),
        };
        json!({"role": role, "content": content})
    });
    turns.collect()
}

/// Builds a row of a batch file: the request `body` under the id `custom_id`.
#[must_use]
pub fn batch_row(custom_id: &str, body: &Value) -> Value {
    json!({"custom_id": custom_id, "method": "POST", "url": BATCH_URL, "body": body})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_becomes_messages_with_images_in_their_places() {
        let mut conversation = Conversation::default();
        conversation.push(Role::System, vec![Part::text("be brief")]);
        conversation.push(Role::User, vec![Part::Image { index: 0 }, Part::text("what?")]);
        conversation.push(Role::Assistant, vec![Part::text("CT")]);
        let body = chat_body("m", &conversation, &["images/a.png".to_owned()], 8);
        assert_eq!(
            body["messages"],
            json!([
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "images/a.png"}},
                    {"type": "text", "text": "what?"},
                ]},
                {"role": "assistant", "content": "CT"},
            ])
        );
        for (key, value) in [("max_tokens", 8), ("temperature", 0), ("frequency_penalty", 0), ("seed", 0)] {
            assert_eq!(body[key], json!(value), "{key}");
        }
        let row = batch_row("key", &body);
        assert_eq!(
            (&row["custom_id"], &row["method"], &row["url"]),
            (&json!("key"), &json!("POST"), &json!(BATCH_URL))
        );
    }
}
