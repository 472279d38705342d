//! Words and pictures to what the model reads, as the processor of the Hugging Face folder says.

mod image_tokens;
mod tiles;

mod config;
mod encode;
mod folder;
pub mod pixels;
pub mod resize;
pub mod template;
mod tokens;

use std::path::Path;

use image::RgbImage;
use serde_json::json;
use sha2::{Digest, Sha256};

pub use config::ConfigError;
pub use encode::{Encoded, ImageSpan};
pub use tiles::{Prepared, PreparedPixels};

use pixels::{PixelConfig, PixelError, Tiles};
use template::{ChatTemplate, TemplateError};
use tokens::Tokens;

/// Part of [`Processor::digest`]: rises whenever the same folder begins to give other tokens or pixels.
const PIPELINE_VERSION: u32 = 2;

/// What can go wrong between a folder or a conversation and its tokens.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// A file of the folder is missing, too large or malformed.
    #[error("{path}: {problem}")]
    Folder {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The template fails on this conversation.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The picture cannot be cut.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// Words that the tokenizer would take for one of its special tokens.
    #[error("the text {text:?} contains {token:?}, which the tokenizer takes for a special token -> reword it")]
    SpecialToken {
        /// The words.
        text: String,
        /// The special token.
        token: String,
    },
    /// The conversation does not render to tokens that can be told apart.
    #[error("{0}")]
    PackedSequences(String),
}

/// Tokenizer, chat template and pixel pipeline of one folder.
#[derive(Clone, Debug)]
pub struct Processor {
    tokens: Tokens,
    template: ChatTemplate,
    pixels: PixelConfig,
    splitting: Option<bool>,
    image_seq_len: usize,
    ends: Vec<u32>,
    tokenizer_digest: String,
}

impl Processor {
    /// Reads the processor of a Hugging Face folder.
    ///
    /// # Errors
    /// When a file is missing or says what is not built.
    pub fn from_folder(folder: &Path) -> Result<Self, ProcessorError> {
        let read = folder::read(folder)?;
        Ok(Self {
            tokens: read.tokens,
            template: read.template,
            pixels: read.pixels,
            splitting: None,
            image_seq_len: read.image_seq_len,
            ends: read.ends,
            tokenizer_digest: hex(&Sha256::digest(&read.tokenizer_bytes)),
        })
    }

    /// Cuts pictures into tiles or not, whatever the folder says.
    pub fn set_image_splitting(&mut self, splitting: Option<bool>) {
        self.splitting = splitting;
    }

    /// Resizes and cuts a picture.
    ///
    /// # Errors
    /// When it has no pixels.
    pub fn tiles(&self, picture: &RgbImage) -> Result<Tiles, ProcessorError> {
        Ok(self.pixels.tiles(picture, self.splitting)?)
    }

    /// The pixel pipeline.
    #[must_use]
    pub fn pixels(&self) -> &PixelConfig {
        &self.pixels
    }

    /// Tokens that stand for one tile.
    #[must_use]
    pub fn image_seq_len(&self) -> usize {
        self.image_seq_len
    }

    /// Tokens that end an answer: those of `generation_config.json` and the one that ends a turn.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// SHA-256, hexadecimal, over everything that decides on tokens and pixels: what must be equal in training and
    /// testing. The layout of the folder does not matter, nor whether splitting was stated by it or set here.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut pixels = self.pixels.clone();
        pixels.do_image_splitting = self.splitting.unwrap_or(pixels.do_image_splitting);
        let parts = json!({
            "version": PIPELINE_VERSION,
            "tokenizer": self.tokenizer_digest,
            "template": self.template.source(),
            "special_tokens": self.template.special_tokens(),
            "pixels": pixels,
            "image_seq_len": self.image_seq_len,
            "ends": self.ends,
        });
        hex(&Sha256::digest(parts.to_string()))
    }

    /// The largest token id that a text can come to.
    #[must_use]
    pub fn largest_token_id(&self) -> u32 {
        self.tokens.largest_id()
    }

    /// The id of a token of the vocabulary.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.tokens.id(token)
    }

    /// Ids as words, special tokens and surrounding blanks left out.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        self.tokens.decode(ids)
    }

    /// Each id as its own words, special tokens included.
    #[must_use]
    pub fn token_strings(&self, ids: &[u32]) -> Vec<String> {
        self.tokens.strings(ids)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
