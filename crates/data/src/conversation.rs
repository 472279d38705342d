//! A conversation as it is given to the model: turns with roles, text and images, and which turns are supervised.

use serde::{Deserialize, Serialize};

/// Author of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the whole conversation.
    System,
    /// Person or program that asks the questions.
    User,
    /// Model, whose turns hold the answers.
    Assistant,
}

/// One part of a turn's content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Part {
    /// An image, named by its place in the list of images that accompanies the conversation.
    Image {
        /// Index into the list of images, from 0.
        index: usize,
    },
    /// Text.
    Text {
        /// Text exactly as the model is given it.
        text: String,
    },
}

impl Part {
    /// Makes a text part of `text`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Author of the turn.
    pub role: Role,
    /// Text and images of the turn, in the order in which they are shown.
    pub content: Vec<Part>,
    /// Whether the training loss covers the tokens of this turn, including its end. Only assistant turns can be
    /// supervised.
    #[serde(default)]
    pub supervised: bool,
}

/// Turns in order. A conversation that ends with a user turn is a prompt: the model's answer is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conversation {
    /// Turns, oldest first; empty in a new conversation.
    pub messages: Vec<Message>,
}

impl Conversation {
    /// Appends an unsupervised turn of the author `role`.
    pub fn push(&mut self, role: Role, content: Vec<Part>) {
        self.messages.push(Message { role, content, supervised: false });
    }

    /// Appends `answer` as a supervised assistant turn, for training, and returns the conversation.
    #[must_use]
    pub fn answered(mut self, answer: &str) -> Self {
        self.messages.push(Message { role: Role::Assistant, content: vec![Part::text(answer)], supervised: true });
        self
    }

    /// Iterates over the indices of the images in order of appearance; an image shown twice appears twice.
    pub fn image_indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.messages.iter().flat_map(|message| &message.content).filter_map(|part| match part {
            Part::Image { index } => Some(*index),
            Part::Text { .. } => None,
        })
    }
}
