//! Words and pictures to what the model reads, as the processor of the Hugging Face folder says.

mod encode;
mod folder;
pub mod pixels;
pub mod resize;
pub mod template;

use std::path::Path;

use image::RgbImage;
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

pub use encode::{Encoded, ImageSpan};
use pixels::{PixelConfig, PixelError, Tiles};
use template::{ChatTemplate, TemplateError};

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
    Layout(String),
}

/// Tokenizer, chat template and pixel pipeline of one folder.
#[derive(Debug)]
pub struct Processor {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    pixels: PixelConfig,
    splitting: Option<bool>,
    image_seq_len: usize,
    ends: Vec<u32>,
    /// Every special token's words.
    special: Vec<String>,
    digest: String,
}

impl Processor {
    /// Reads the processor of a Hugging Face folder.
    ///
    /// # Errors
    /// When a file is missing or says what is not built.
    pub fn from_folder(folder: &Path) -> Result<Self, ProcessorError> {
        let read = folder::read(folder)?;
        let special = read
            .tokenizer
            .get_added_tokens_decoder()
            .into_values()
            .filter(|token| token.special)
            .map(|token| token.content)
            .collect();
        let mut digest = Sha256::new();
        for part in [read.tokenizer_bytes.as_slice(), read.template.source().as_bytes(), read.pixels_text.as_bytes()] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.update((read.image_seq_len as u64).to_le_bytes());
        Ok(Self {
            tokenizer: read.tokenizer,
            template: read.template,
            pixels: read.pixels,
            splitting: None,
            image_seq_len: read.image_seq_len,
            ends: read.ends,
            special,
            digest: hex(&digest.finalize()),
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

    /// Tokens that end an answer.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Digest of template, tokenizer and pixel pipeline, hexadecimal: what must be equal in training and testing.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("{}{}", self.digest, self.splitting.map_or(String::new(), |on| format!("-splitting-{on}")))
    }

    /// The id of a token of the vocabulary.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// Ids as words, special tokens and surrounding blanks left out.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        self.tokenizer.decode(ids, true).unwrap_or_default().trim().to_owned()
    }

    /// Each id as its own words, special tokens included.
    #[must_use]
    pub fn token_strings(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().map(|id| self.tokenizer.decode(&[*id], false).unwrap_or_default()).collect()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
