//! Architecture of a model, read from `config.json` of a Hugging Face folder.

use serde::Deserialize;
use serde_json::Value;

/// Errors of reading a `config.json`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not JSON, or a field is missing or has another type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A value is out of range, does not fit another value, or is not supported.
    #[error("{field} is {found}: {expected}")]
    Unsupported {
        /// Path of the field in `config.json`, parts joined by dots.
        field: &'static str,
        /// Value in the file.
        found: String,
        /// Requirement on the value.
        expected: &'static str,
    },
}

/// Architecture of a SmolVLM or Idefics3 model. Values read by [`ModelConfig::from_json`] fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Architecture of the image encoder.
    pub vision: VisionConfig,
    /// Architecture of the language model.
    pub text: TextConfig,
    /// Id of the token that stands for one image feature.
    pub image_token_id: u32,
    /// Side, in patches, of the square of neighbouring patches that pixel shuffle joins to one feature. It divides the
    /// number of patches per side.
    pub scale_factor: usize,
    /// Whether the embedding table is also the output head.
    pub tie_word_embeddings: bool,
}

/// Architecture of the SigLIP image encoder (Zhai et al. 2023). Field names are the names of `vision_config`
/// in `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct VisionConfig {
    /// Width of a patch's hidden state.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; it divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Side of a tile in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels; it divides `image_size`.
    pub patch_size: usize,
    /// Number of colour channels; only 3 is supported.
    #[serde(default = "three")]
    pub num_channels: usize,
    /// Epsilon that layer normalisation adds to the variance; 1e-6 if absent.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Standard deviation of newly initialised weights in transformers, 0.02 if absent. Stepwise does not use it.
    #[serde(default = "initializer_range")]
    pub initializer_range: f64,
    #[serde(default = "gelu_tanh")]
    hidden_act: String,
}

/// Architecture of the Llama decoder (Touvron et al. 2023). Field names are the names of `text_config`
/// in `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TextConfig {
    /// Width of a token's hidden state.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of query heads; a multiple of the number of key/value heads.
    pub num_attention_heads: usize,
    /// Number of key/value heads; None means as many as query heads.
    #[serde(default)]
    num_key_value_heads: Option<usize>,
    /// Width of a head; None means `hidden_size / num_attention_heads`.
    #[serde(default)]
    head_dim: Option<usize>,
    /// Number of token ids: rows of the embedding table and of the output head.
    pub vocab_size: usize,
    /// Longest sequence, in tokens, that the model was made for.
    pub max_position_embeddings: usize,
    /// Epsilon that RMS normalisation adds to the mean square.
    pub rms_norm_eps: f32,
    /// Standard deviation of newly initialised weights in transformers, 0.02 if absent. Stepwise does not use it.
    #[serde(default = "initializer_range")]
    pub initializer_range: f64,
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default)]
    rope_parameters: Option<Value>,
    #[serde(default)]
    rope_scaling: Option<Value>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default = "silu")]
    hidden_act: String,
    #[serde(default)]
    tie_word_embeddings: Option<bool>,
}

impl VisionConfig {
    /// Returns the number of patches along a side of a tile.
    #[must_use]
    pub fn patches_per_side(&self) -> usize {
        self.image_size / self.patch_size
    }
}

impl TextConfig {
    /// Returns the number of key/value heads; as many as query heads if the config does not state it.
    #[must_use]
    pub fn kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Returns the width of an attention head; `hidden_size / num_attention_heads` if the config does not state it.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// Returns the base of the rotary angles (Su et al. 2021): `rope_theta`, in newer configs inside `rope_parameters`;
    /// 10,000 if absent.
    #[must_use]
    pub fn rope_theta(&self) -> f64 {
        let newer = self.rope_parameters.as_ref().and_then(|rope| rope.get("rope_theta")).and_then(Value::as_f64);
        newer.or(self.rope_theta).unwrap_or(10_000.0)
    }
}

impl ModelConfig {
    /// Returns the number of image features per tile, which is the number of image tokens per tile in a prompt.
    #[must_use]
    pub fn features_per_tile(&self) -> usize {
        (self.vision.patches_per_side() / self.scale_factor).pow(2)
    }

    /// Parses the text of a `config.json` and checks the values.
    ///
    /// # Errors
    /// When the text is not JSON, a field is missing, or a value is invalid or not supported.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        struct Raw {
            model_type: String,
            vision_config: VisionConfig,
            text_config: TextConfig,
            image_token_id: u32,
            scale_factor: usize,
            #[serde(default)]
            tie_word_embeddings: Option<bool>,
        }
        let raw: Raw = serde_json::from_str(text)?;
        let config = Self {
            tie_word_embeddings: raw.tie_word_embeddings.or(raw.text_config.tie_word_embeddings).unwrap_or(false),
            vision: raw.vision_config,
            text: raw.text_config,
            image_token_id: raw.image_token_id,
            scale_factor: raw.scale_factor,
        };
        unless(
            matches!(raw.model_type.as_str(), "idefics3" | "smolvlm"),
            "model_type",
            &raw.model_type,
            "only idefics3 and smolvlm are supported",
        )?;
        config.checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let (vision, text) = (&self.vision, &self.text);
        let gelu = matches!(vision.hidden_act.as_str(), "gelu_pytorch_tanh");
        unless(gelu, "vision_config.hidden_act", &vision.hidden_act, "only gelu_pytorch_tanh is supported")?;
        unless(text.hidden_act == "silu", "text_config.hidden_act", &text.hidden_act, "only silu is supported")?;
        unless(!text.attention_bias, "text_config.attention_bias", "true", "only false is supported")?;
        unless(!text.mlp_bias, "text_config.mlp_bias", "true", "only false is supported")?;
        for rope in [&text.rope_scaling, &text.rope_parameters].into_iter().flatten() {
            let kind = rope.get("rope_type").or_else(|| rope.get("type")).and_then(Value::as_str).unwrap_or("default");
            unless(kind == "default", "text_config.rope_parameters.rope_type", kind, "only default is supported")?;
        }
        let sizes = [
            ("vision_config.hidden_size", vision.hidden_size),
            ("vision_config.intermediate_size", vision.intermediate_size),
            ("vision_config.num_attention_heads", vision.num_attention_heads),
            ("vision_config.patch_size", vision.patch_size),
            ("vision_config.image_size", vision.image_size),
            ("text_config.hidden_size", text.hidden_size),
            ("text_config.intermediate_size", text.intermediate_size),
            ("text_config.num_attention_heads", text.num_attention_heads),
            ("text_config.num_key_value_heads", text.kv_heads()),
            ("text_config.head_dim", text.head_dim.unwrap_or(1).max(1)),
            ("text_config.vocab_size", text.vocab_size),
            ("scale_factor", self.scale_factor),
        ];
        for (field, size) in sizes {
            // Within this limit the product of any three sizes does not overflow.
            unless((1..=1 << 20).contains(&size), field, size, "sizes from 1 to 1048576 are supported")?;
        }
        let layers = [
            ("vision_config.num_hidden_layers", vision.num_hidden_layers),
            ("text_config.num_hidden_layers", text.num_hidden_layers),
        ];
        for (field, layers) in layers {
            unless((1..=1 << 10).contains(&layers), field, layers, "1 to 1024 layers are supported")?;
        }
        unless(vision.num_channels == 3, "vision_config.num_channels", vision.num_channels, "only 3 is supported")?;
        let divides = |part: usize, whole: usize| whole.is_multiple_of(part);
        let heads = text.num_attention_heads;
        unless(
            divides(text.kv_heads(), heads),
            "text_config.num_key_value_heads",
            text.kv_heads(),
            "it must be a divisor of num_attention_heads",
        )?;
        unless(
            text.head_dim() > 0 && text.head_dim().is_multiple_of(2),
            "text_config.head_dim",
            text.head_dim(),
            "rotary embedding needs an even width of 2 or more",
        )?;
        unless(
            divides(vision.num_attention_heads, vision.hidden_size),
            "vision_config.num_attention_heads",
            vision.num_attention_heads,
            "it must be a divisor of hidden_size",
        )?;
        unless(
            divides(vision.patch_size, vision.image_size),
            "vision_config.patch_size",
            vision.patch_size,
            "it must be a divisor of image_size",
        )?;
        unless(
            divides(self.scale_factor, vision.patches_per_side()),
            "scale_factor",
            self.scale_factor,
            "it must be a divisor of the number of patches per side (image_size / patch_size)",
        )?;
        unless(
            (self.image_token_id as usize) < text.vocab_size,
            "image_token_id",
            self.image_token_id,
            "it must be smaller than text_config.vocab_size",
        )?;
        Ok(self)
    }
}

fn unless(holds: bool, field: &'static str, found: impl ToString, expected: &'static str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Unsupported { field, found: found.to_string(), expected }) }
}

fn three() -> usize {
    3
}

fn layer_norm_eps() -> f64 {
    1e-6
}

fn initializer_range() -> f64 {
    0.02
}

fn gelu_tanh() -> String {
    "gelu_pytorch_tanh".to_owned()
}

fn silu() -> String {
    "silu".to_owned()
}
