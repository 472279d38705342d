//! The processor of a Hugging Face folder: turns conversations and images into token ids and pixel tiles.

mod encode;
mod expanded;
mod folder;
mod settings;
pub mod template;
mod tiles;
mod token_bytes;
mod tokens;

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;
use serde_json::json;
use sha2::{Digest, Sha256};
use stepwise_data::box_format::BoxFormat;
use stepwise_data::io::digest::hex;

pub use encode::{Encoded, ImageSpan};
pub use folder::stated_options;
pub use tiles::{Prepared, PreparedPixels};

use crate::families::FamilyFacts;
use crate::families::ModelConfig;
use crate::fault::Fault;
use crate::images::grid::{ImageGrid, PixelError, Tiles};
use crate::images::processor::{ImageOptions, ImageProcessor};
use crate::images::shared::{SettingsFile, SharedSetting};
use crate::images::values::PixelValues;
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
    family: &'static FamilyFacts,
    images: Arc<dyn ImageProcessor>,
    /// Name of the file with the image preprocessing settings.
    images_file: &'static str,
    options: ImageOptions,
    /// Unit of boxes that the folder states, or else the family's.
    folder_box_format: BoxFormat,
    ends: Vec<u32>,
    tokenizer_digest: String,
}

impl Processor {
    /// Returns the names of the processor's files that `folder` lacks; empty if none is missing.
    #[must_use]
    pub fn missing_files(folder: &Path) -> Vec<String> {
        folder::absent(folder)
    }

    /// Reads the processor files of a Hugging Face folder, in the older or newer layout.
    ///
    /// # Errors
    /// When a file is missing, malformed or too large, or has an unsupported setting.
    pub fn from_folder(folder: &Path) -> Result<Self, ProcessorError> {
        let read = folder::read(folder)?;
        Ok(Self {
            tokens: read.tokens,
            template: read.template,
            family: read.family,
            images: read.images,
            images_file: read.images_file,
            options: ImageOptions::default(),
            folder_box_format: read.box_format,
            ends: read.ends,
            tokenizer_digest: hex(&Sha256::digest(&read.tokenizer_bytes)),
        })
    }

    /// Resizes an image and cuts it into tiles, under the options of [`Processor::set_image_options`].
    ///
    /// # Errors
    /// When the image has no pixels, or a shape that the family refuses.
    pub fn tiles(&self, picture: &RgbImage) -> Result<Tiles, ProcessorError> {
        Ok(self.images.tiles(picture, &self.options)?)
    }

    /// Returns how bytes become inputs of the image encoder.
    #[must_use]
    pub fn values(&self) -> &PixelValues {
        self.images.values()
    }

    /// Returns the numbers of rows and columns of the features of one tile.
    #[must_use]
    pub fn feature_grid(&self, grid: ImageGrid) -> [usize; 2] {
        self.images.feature_grid(grid)
    }

    /// Returns the number of feature tokens that an image takes in the text. Tokens around them are not counted.
    #[must_use]
    pub fn image_tokens(&self, grid: ImageGrid) -> usize {
        self.images.image_tokens(grid)
    }

    /// Returns the number of features that the model makes of one tile. Some of them may have no token in the text.
    #[must_use]
    pub fn tile_features(&self, grid: ImageGrid) -> usize {
        self.images.tile_features(grid)
    }

    /// Checks that the processor belongs to the model of `config`.
    ///
    /// # Errors
    /// Two values that should be equal, in words.
    pub fn fits(&self, config: &ModelConfig) -> Result<(), String> {
        if !std::ptr::eq(self.family, config.family) {
            let (own, other) = (self.family.name, config.family.name);
            return Err(format!("the processor is one of {own}, but the model is one of {other}"));
        }
        for SharedSetting { file, key, value, in_config } in self.images.shared_settings() {
            let of_model = config.shared.iter().find(|(name, _)| *name == in_config).map(|(_, value)| value);
            if of_model != Some(&value) {
                let file = match file {
                    SettingsFile::Images => self.images_file,
                    SettingsFile::Processor => folder::PROCESSOR,
                };
                let found = of_model.map_or("missing".to_owned(), ToString::to_string);
                return Err(format!("{key} of {file} is {value}, but {in_config} of config.json is {found}"));
            }
        }
        let (largest, rows) = (self.largest_token_id(), config.text.vocab_size);
        if largest as usize >= rows {
            return Err(format!(
                "the tokenizer has token id {largest}, but text_config.vocab_size of the model is {rows}"
            ));
        }
        let image = self.token_id(self.images.feature_token());
        match image == Some(config.image_token_id) {
            true => Ok(()),
            false => Err(format!(
                "{} has the id {} in the tokenizer, but image_token_id of the model is {}",
                self.images.feature_token(),
                image.map_or("-".to_owned(), |id| id.to_string()),
                config.image_token_id
            )),
        }
    }

    /// Returns the ids of the tokens that end an answer, sorted: `eos_token_id` of `generation_config.json` and
    /// the token that ends a turn. Empty if the folder has neither.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Returns the SHA-256, in hexadecimal, of all settings that determine tokens and pixels. Training and evaluation
    /// must use equal digests. The digest does not depend on the folder layout, nor on whether an option is set
    /// in the folder or by [`Processor::set_image_options`].
    #[must_use]
    pub fn digest(&self) -> String {
        let mut parts = json!({
            "version": PIPELINE_VERSION,
            "tokenizer": self.tokenizer_digest,
            "template": self.template.source(),
            "special_tokens": self.template.special_tokens(),
        });
        if let Some(parts) = parts.as_object_mut() {
            parts.extend(self.images.settings(&self.options));
            parts.insert("ends".to_owned(), json!(self.ends));
            // Percent was the only unit once.
            let box_format = Some(self.box_format()).filter(|format| !format.is_percent());
            parts.extend(box_format.map(|format| ("box_format".to_owned(), format.name().into())));
        }
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
