//! LLaVA-NeXT (Liu et al. 2024) in the form of transformers: the image encoder and the decoders of LLaVA-1.5 over the whole
//! image and over tiles of an enlarged one, whose features stand row by row with an embedding of a line break after each.

mod layout;
mod processor;

use serde_json::{Value, json};

use stepwise_data::box_format::BoxFormat;

use super::facts::FamilyFacts;
use super::llava;
use super::llava::processor::IMAGE;
use super::tower_names::{ENCODER, NAMES};
use crate::model_config::{CommonConfig, ConfigError, tied_at_top};
pub(super) use llava::{Config, Encoder};
use processor::{DEFAULT_PINPOINTS, PINPOINTS};

/// Facts of the family.
pub(super) const FACTS: FamilyFacts = FamilyFacts {
    name: "LLaVA-NeXT",
    model_types: &["llava_next"],
    processors: &["LlavaNextProcessor"],
    image_processors: &["LlavaNextImageProcessor"],
    read_processor: processor::read,
    image_options: &[],
    box_format: |_| BoxFormat::Percent,
    tokens: &[IMAGE],
    is_structural: |token| token == IMAGE,
    turn_end: "</s>",
    names: NAMES,
    encoder_modules: ENCODER,
    connector_modules: &["model.multi_modal_projector.", "model.image_newline"],
};

/// Reads and checks the contents of a `config.json`.
///
/// # Errors
/// When a value is malformed, invalid or not supported.
pub(super) fn read_config(value: &Value) -> Result<(CommonConfig, Config), ConfigError> {
    let (mut common, config) = llava::read_config(value)?;
    common.text.tie_word_embeddings = tied_at_top(value, false)?;
    let pinpoints = value.get(PINPOINTS).filter(|stated| !stated.is_null()).cloned();
    common.shared.push((PINPOINTS, pinpoints.unwrap_or_else(|| json!(DEFAULT_PINPOINTS))));
    Ok((common, Config { newline: true, ..config }))
}
