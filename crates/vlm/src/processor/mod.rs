//! The processor of a Hugging Face folder: turns conversations and images into token ids and pixel tiles.

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
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::digest::hex;

pub use config::ConfigError;
pub use encode::{Encoded, ImageSpan};
pub use folder::stated_splitting;
pub use tiles::{Prepared, PreparedPixels};

use crate::fault::Fault;
use pixels::{PixelConfig, PixelError, Tiles};
use template::{ChatTemplate, TemplateError};
use tokens::Tokens;

/// Version in [`Processor::digest`]. Raise it whenever a change of this code gives other tokens or pixels for a folder.
const PIPELINE_VERSION: u32 = 2;

/// Errors of loading a processor and of encoding an input.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// A file of the folder is missing, too large or malformed.
    #[error(transparent)]
    Folder(#[from] Fault),
    /// The chat template cannot be compiled, or fails on this conversation.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The image has no pixels.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// A text contains a special token, which would change the structure of the conversation.
    #[error("the text {text:?} contains {token:?}, which the tokenizer treats as a special token -> reword it")]
    SpecialToken {
        /// Text that contains the token.
        text: String,
        /// Special token as written in the tokenizer.
        token: String,
    },
    /// Images, supervised answers or options do not fit the rendered or tokenised conversation.
    #[error("{problem} -> {advice}")]
    Conversation {
        /// What does not fit.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
}

/// Tokenizer, chat template and image preprocessing of one model folder.
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
    /// Reads the processor files of a Hugging Face folder of an Idefics3 or SmolVLM model, in the older or
    /// newer layout.
    ///
    /// # Errors
    /// When a file is missing, malformed or too large, or has an unsupported setting.
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

    /// Sets whether large images are split into tiles: true splits, false gives each image one tile, None restores
    /// `do_image_splitting` of the folder. The setting changes [`Processor::digest`].
    pub fn set_image_splitting(&mut self, splitting: Option<bool>) {
        self.splitting = splitting;
    }

    /// Returns whether large images are split into tiles.
    #[must_use]
    pub fn image_splitting(&self) -> bool {
        self.splitting.unwrap_or(self.pixels.do_image_splitting)
    }

    /// Writes the image preprocessing settings of the model folder `base` to `folder`, with the image splitting of this
    /// processor, so that the folder is read as this processor reads images. Does nothing if the processor splits as
    /// `base` states. Returns whether a file was written.
    ///
    /// # Errors
    /// When the settings of `base` cannot be read, or the file cannot be written.
    pub fn save_image_splitting(&self, base: &Path, folder: &Path) -> Result<bool, ProcessorError> {
        if self.image_splitting() == self.pixels.do_image_splitting {
            return Ok(false);
        }
        let (name, settings) = folder::with_splitting(base, self.image_splitting())?;
        let path = folder.join(name);
        write_atomic(&path, format!("{settings:#}\n").as_bytes())
            .map_err(|error| Fault::new(&path, error, "check that the folder is writable and the disk has room"))?;
        Ok(true)
    }

    /// Resizes an image and cuts it into tiles, split or not according to [`Processor::set_image_splitting`] and
    /// the folder.
    ///
    /// # Errors
    /// When the image has no pixels.
    pub fn tiles(&self, picture: &RgbImage) -> Result<Tiles, ProcessorError> {
        Ok(self.pixels.tiles(picture, self.splitting)?)
    }

    /// Returns the image preprocessing settings of the folder. A splitting override is not part of them.
    #[must_use]
    pub fn pixels(&self) -> &PixelConfig {
        &self.pixels
    }

    /// Returns the number of image tokens per tile.
    #[must_use]
    pub fn image_seq_len(&self) -> usize {
        self.image_seq_len
    }

    /// Returns the ids of the tokens that end an answer, sorted: `eos_token_id` of `generation_config.json` and
    /// `<end_of_utterance>`. Empty if the folder has neither.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Returns the SHA-256, in hexadecimal, of all settings that determine tokens and pixels. Training and evaluation
    /// must use equal digests. The digest does not depend on the folder layout, nor on whether image splitting is set
    /// in the folder or by [`Processor::set_image_splitting`].
    #[must_use]
    pub fn digest(&self) -> String {
        let mut pixels = self.pixels.clone();
        pixels.do_image_splitting = self.image_splitting();
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

    /// Returns the largest token id of the vocabulary, added tokens included.
    #[must_use]
    pub fn largest_token_id(&self) -> u32 {
        self.tokens.largest_id()
    }

    /// Returns the id of a token, for example `<image>`; None if the vocabulary does not have it.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.tokens.id(token)
    }

    /// Returns the text of token ids, without special tokens and surrounding white space. Empty when the ids cannot
    /// be decoded.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        self.tokens.decode(ids)
    }

    /// Returns the text of each id decoded alone, special tokens included. An id that cannot be decoded gives an
    /// empty text.
    #[must_use]
    pub fn token_strings(&self, ids: &[u32]) -> Vec<String> {
        self.tokens.strings(ids)
    }
}

#[cfg(test)]
mod tests;
