//! Architecture that all model families have, and checks of `config.json` that they share.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::decoder::config::DecoderConfig;
use crate::encoder::EncoderShape;
use crate::images::shared::OfConfig;

/// Architecture of a model as far as all families have it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CommonConfig {
    /// Sizes of the image encoder.
    pub vision: EncoderShape,
    /// Architecture of the language model.
    pub text: DecoderConfig,
    /// Id of the token that stands for one image feature.
    pub image_token_id: u32,
    /// Values that the files of the processor state as well.
    pub shared: Vec<OfConfig>,
}

impl CommonConfig {
    /// Checks sizes, numbers of heads and the image token. `vision` and `text` are the names of the sections in
    /// `config.json` with a dot, empty for a section at the top.
    pub fn check(&self, vision: &str, text: &str) -> Result<(), ConfigError> {
        let (encoder, decoder) = (&self.vision, &self.text);
        let of_vision = |field: &str| format!("{vision}{field}");
        let of_text = |field: &str| format!("{text}{field}");
        for (field, size) in [
            ("hidden_size", encoder.hidden_size),
            ("intermediate_size", encoder.intermediate_size),
            ("num_attention_heads", encoder.num_attention_heads),
            ("patch_size", encoder.patch_size),
            ("image_size", encoder.image_size.unwrap_or(1)),
        ] {
            size_of(&of_vision(field), size)?;
        }
        for (field, size) in [
            ("hidden_size", decoder.hidden_size),
            ("intermediate_size", decoder.intermediate_size),
            ("num_attention_heads", decoder.num_attention_heads),
            ("num_key_value_heads", decoder.num_key_value_heads),
            ("head_dim", decoder.head_dim),
            ("vocab_size", decoder.vocab_size),
        ] {
            size_of(&of_text(field), size)?;
        }
        epsilon(&of_text("rms_norm_eps"), decoder.rms_norm_eps.into())?;
        let ropes = decoder.switches.local.iter().map(|local| &local.rope).chain([&decoder.rope]);
        for theta in ropes.map(|rope| rope.theta) {
            let above_zero = theta.is_finite() && theta > 0.0;
            unless(above_zero, &of_text("rope_theta"), theta, "a number above 0 is expected")?;
        }
        layers(&of_vision("num_hidden_layers"), encoder.num_hidden_layers)?;
        layers(&of_text("num_hidden_layers"), decoder.num_hidden_layers)?;
        let (heads, keys) = (decoder.num_attention_heads, decoder.num_key_value_heads);
        divides(&of_text("num_key_value_heads"), keys, heads, "num_attention_heads")?;
        let even = decoder.head_dim.is_multiple_of(2);
        let expected = "rotary embedding needs an even width of 2 or more";
        unless(even, &of_text("head_dim"), decoder.head_dim, expected)?;
        let heads = encoder.num_attention_heads;
        divides(&of_vision("num_attention_heads"), heads, encoder.hidden_size, "hidden_size")?;
        let known = (self.image_token_id as usize) < decoder.vocab_size;
        let expected = format!("it must be smaller than {text}vocab_size");
        unless(known, "image_token_id", self.image_token_id, &expected)
    }
}

/// Errors of reading a `config.json`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not JSON, or a field is missing or has another type, as the text says.
    #[error("{0}")]
    Malformed(String),
    /// A value is out of range, does not fit another value, or is not supported.
    #[error("{field} is {found}: {expected}")]
    Unsupported {
        /// Path of the field in `config.json`, parts joined by dots.
        field: String,
        /// Value in the file.
        found: String,
        /// Requirement on the value.
        expected: String,
    },
}

impl ConfigError {
    /// Returns what to do about the error.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "copy or download the file again",
            Self::Unsupported { field, .. } if field == "model_type" => "name the folder of such a model",
            Self::Unsupported { .. } => "use the unchanged file of a supported model",
        }
    }
}

/// Returns an error about `field` unless `holds`. `found` is the value in the file, `expected` the requirement.
pub(crate) fn unless(holds: bool, field: &str, found: impl ToString, expected: &str) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::Unsupported { field: field.to_owned(), found: found.to_string(), expected: expected.to_owned() })
}

/// Checks that a size is from 1 to 2^20. Within this limit the product of any three sizes does not overflow.
pub(crate) fn size_of(field: &str, size: usize) -> Result<(), ConfigError> {
    unless((1..=1 << 20).contains(&size), field, size, "sizes from 1 to 1048576 are supported")
}

/// Checks that a number of layers is from 1 to 1024.
pub(crate) fn layers(field: &str, layers: usize) -> Result<(), ConfigError> {
    unless((1..=1 << 10).contains(&layers), field, layers, "1 to 1024 layers are supported")
}

/// Checks that `part` divides `whole`. `of` says what `whole` is.
pub(crate) fn divides(field: &str, part: usize, whole: usize, of: &str) -> Result<(), ConfigError> {
    unless(part > 0 && whole.is_multiple_of(part), field, part, &format!("it must be a divisor of {of}"))
}

/// Checks that `part` is from 1 to `whole`. `of` says what `whole` is.
pub(crate) fn within(field: &str, part: usize, whole: usize, of: &str) -> Result<(), ConfigError> {
    unless((1..=whole).contains(&part), field, part, &format!("it must be from 1 to {of}, {whole}"))
}

/// Checks that the epsilon of a norm is finite and not negative.
pub(crate) fn epsilon(field: &str, epsilon: f64) -> Result<(), ConfigError> {
    unless(epsilon.is_finite() && epsilon >= 0.0, field, epsilon, "a number from 0 on is expected")
}

/// Checks that every statement of the number of colour channels in `vision_config` is 3, whatever its name.
pub(crate) fn three_channels(value: &Value) -> Result<(), ConfigError> {
    for field in ["in_channels", "in_chans", "num_channels"] {
        let stated = value.get("vision_config").and_then(|vision| vision.get(field)).filter(|stated| !stated.is_null());
        if let Some(stated) = stated {
            unless(stated.as_u64() == Some(3), &format!("vision_config.{field}"), stated, "only 3 is supported")?;
        }
    }
    Ok(())
}

/// Reads `value`, at the key `at` of a `config.json` or the whole of it if `at` is empty, as `T`.
///
/// # Errors
/// When a field is missing or has another type; the error names the field.
pub(crate) fn typed<T: DeserializeOwned>(value: &Value, at: &str) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let words = error.into_inner().to_string();
        let key = match (at, path.as_str()) {
            (at, ".") => at.to_owned(),
            ("", path) => path.to_owned(),
            (at, path) => format!("{at}.{path}"),
        };
        ConfigError::Malformed(if key.is_empty() { words } else { format!("{key}: {words}") })
    })
}

/// Reads a section of a `config.json` as `T`.
///
/// # Errors
/// When the section is missing or no object, and errors of [`typed`].
pub(crate) fn section<T: DeserializeOwned>(value: &Value, name: &str) -> Result<T, ConfigError> {
    let stated = value.get(name).unwrap_or(&Value::Null);
    let found = if stated.is_null() { "missing" } else { "no object" };
    unless(stated.is_object(), name, found, "an object is expected")?;
    typed(stated, name)
}

/// Returns `tie_word_embeddings` at the top of `value`, the contents of a `config.json`: false for null, and `default` if the
/// file does not state it. Families whose configuration class does not forward the key of `text_config` take this value.
///
/// # Errors
/// When the value is neither true, false nor null.
pub(crate) fn tied_at_top(value: &Value, default: bool) -> Result<bool, ConfigError> {
    let field = "tie_word_embeddings";
    let Some(stated) = value.get(field) else { return Ok(default) };
    unless(stated.is_boolean() || stated.is_null(), field, stated, "true or false is expected")?;
    Ok(stated.as_bool() == Some(true))
}

/// Returns whether `tie_word_embeddings` is true at the top of `value`, the contents of a `config.json`, or in its
/// `text_config`. The configuration classes of some families forward the key of `text_config`.
///
/// # Errors
/// When one of the values is neither true, false nor null.
pub(crate) fn tied_anywhere(value: &Value) -> Result<bool, ConfigError> {
    let in_text = value.get("text_config").map_or(Ok(false), |text| tied_at_top(text, false))?;
    Ok(tied_at_top(value, false)? || in_text)
}

/// Returns the id of a token: the first of `fields` that is stated and not null, else `default`.
pub(crate) fn token_id(value: &Value, fields: &[&str], default: u32) -> Result<u32, ConfigError> {
    let is_stated = |field: &&&str| value.get(**field).is_some_and(|stated| !stated.is_null());
    let Some(field) = fields.iter().find(is_stated) else { return Ok(default) };
    let stated = &value[*field];
    let id = stated.as_u64().and_then(|id| u32::try_from(id).ok());
    unless(id.is_some(), field, stated, "the id of a token is expected").map(|()| id.unwrap_or(default))
}
