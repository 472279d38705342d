//! A conversation as the model will be shown it: roles, text and images, and which words are supervised.

use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Standing instructions.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Part {
    /// An image: its place in the list of images that travels beside the conversation.
    Image {
        /// Index into that list.
        index: usize,
    },
    /// Words.
    Text {
        /// The words, exactly as shown.
        text: String,
    },
}

impl Part {
    /// A piece of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said and shown, in order.
    pub content: Vec<Part>,
    /// Whether the loss is taken on this turn's words (and on the turn's end). Only assistant turns can be supervised.
    #[serde(default)]
    pub supervised: bool,
}

/// Turns in order. One that ends with a user turn waits for a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conversation {
    /// The turns.
    pub messages: Vec<Message>,
}

impl Conversation {
    /// Appends a turn that is not supervised.
    pub fn push(&mut self, role: Role, content: Vec<Part>) {
        self.messages.push(Message { role, content, supervised: false });
    }

    /// This conversation followed by `answer` as a supervised assistant turn.
    #[must_use]
    pub fn answered(mut self, answer: &str) -> Self {
        self.messages.push(Message { role: Role::Assistant, content: vec![Part::text(answer)], supervised: true });
        self
    }

    /// Indices of the images shown, in order of appearance.
    pub fn image_indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.messages.iter().flat_map(|message| &message.content).filter_map(|part| match part {
            Part::Image { index } => Some(*index),
            Part::Text { .. } => None,
        })
    }
}
