//! Architecture of a SmolVLM or Idefics3 model, read from `config.json` of a Hugging Face folder.

use serde::Deserialize;
use serde_json::Value;

use crate::decoder::config::{DecoderConfig, Rope, RopeAxes, Switches};
use crate::encoder::EncoderShape;
use crate::images::shared::IMAGE_SIZE;
use crate::model_config::{CommonConfig, ConfigError, divides, epsilon, size_of, tied_at_top, typed, unless, within};

/// Number of features of a tile by the keys of `config.json`.
pub(super) const TILE_FEATURES: &str = "(vision_config.image_size / vision_config.patch_size / scale_factor)^2";

/// What the image encoder and the connector of Idefics3 need beside [`CommonConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Side of a tile in pixels, at least the side of a patch.
    pub image_size: usize,
    /// Epsilon that layer normalisation adds to the variance.
    pub layer_norm_eps: f32,
}

/// `vision_config`: the SigLIP image encoder (Zhai et al. 2023).
#[derive(Deserialize)]
struct Vision {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    image_size: usize,
    patch_size: usize,
    #[serde(default = "layer_norm_eps")]
    layer_norm_eps: f64,
    #[serde(default = "gelu_tanh")]
    hidden_act: String,
}

/// `text_config`: the Llama decoder (Touvron et al. 2023).
#[derive(Deserialize)]
struct Text {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f32,
    rope_theta: Option<f64>,
    rope_parameters: Option<Value>,
    rope_scaling: Option<Value>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default = "silu")]
    hidden_act: String,
}

#[derive(Deserialize)]
struct Raw {
    vision_config: Vision,
    text_config: Text,
    image_token_id: u32,
    scale_factor: usize,
}

/// Reads and checks the contents of a `config.json`.
///
/// # Errors
/// When a field is missing, or a value is invalid or not supported.
pub fn read(value: &Value) -> Result<(CommonConfig, Config), ConfigError> {
    check_decoder(value)?;
    let Raw { vision_config: vision, text_config: text, image_token_id, scale_factor } = typed(value, "")?;
    let gelu = vision.hidden_act == "gelu_pytorch_tanh";
    unless(gelu, "vision_config.hidden_act", &vision.hidden_act, "only gelu_pytorch_tanh is supported")?;
    unless(text.hidden_act == "silu", "text_config.hidden_act", &text.hidden_act, "only silu is supported")?;
    unless(!text.attention_bias, "text_config.attention_bias", "true", "only false is supported")?;
    unless(!text.mlp_bias, "text_config.mlp_bias", "true", "only false is supported")?;
    for rope in [&text.rope_scaling, &text.rope_parameters].into_iter().flatten() {
        let kind = rope.get("rope_type").or_else(|| rope.get("type")).and_then(Value::as_str).unwrap_or("default");
        unless(kind == "default", "text_config.rope_parameters.rope_type", kind, "only default is supported")?;
    }
    size_of("text_config.num_attention_heads", text.num_attention_heads)?;
    let newer = text.rope_parameters.as_ref().and_then(|rope| rope.get("rope_theta")).and_then(Value::as_f64);
    let common = CommonConfig {
        vision: EncoderShape {
            hidden_size: vision.hidden_size,
            intermediate_size: vision.intermediate_size,
            num_hidden_layers: vision.num_hidden_layers,
            num_attention_heads: vision.num_attention_heads,
            patch_size: vision.patch_size,
            merge_size: scale_factor,
            gated: false,
            image_size: Some(vision.image_size),
            deepstack: 0,
        },
        text: DecoderConfig {
            module: "model.text_model",
            hidden_size: text.hidden_size,
            intermediate_size: text.intermediate_size,
            num_hidden_layers: text.num_hidden_layers,
            num_attention_heads: text.num_attention_heads,
            num_key_value_heads: text.num_key_value_heads.unwrap_or(text.num_attention_heads),
            head_dim: text.head_dim.unwrap_or(text.hidden_size / text.num_attention_heads),
            vocab_size: text.vocab_size,
            max_position_embeddings: text.max_position_embeddings,
            rms_norm_eps: text.rms_norm_eps,
            qkv_bias: false,
            qk_norm: false,
            rope: Rope { theta: newer.or(text.rope_theta).unwrap_or(10_000.0), factor: 1.0, axes: RopeAxes::One },
            tie_word_embeddings: tied_at_top(value, false)?,
            switches: Switches::default(),
        },
        image_token_id,
        shared: Vec::new(),
    };
    common.check("vision_config.", "text_config.")?;
    size_of("scale_factor", scale_factor)?;
    epsilon("vision_config.layer_norm_eps", vision.layer_norm_eps)?;
    within("vision_config.patch_size", vision.patch_size, vision.image_size, "image_size")?;
    let side = vision.image_size / vision.patch_size;
    divides("scale_factor", scale_factor, side, "the number of patches per side (image_size / patch_size)")?;
    let features = (side / scale_factor).pow(2);
    let shared = vec![(IMAGE_SIZE, vision.image_size.into()), (TILE_FEATURES, features.into())];
    let common = CommonConfig { shared, ..common };
    Ok((common, Config { image_size: vision.image_size, layer_norm_eps: vision.layer_norm_eps as f32 }))
}

/// Refuses decoders of other types.
fn check_decoder(config: &Value) -> Result<(), ConfigError> {
    let stated = config.get("text_config").and_then(|decoder| decoder.get("model_type"));
    // The original training code called its Llama decoder "vllama3".
    let llama = stated.and_then(Value::as_str).is_some_and(|stated| ["llama", "vllama3"].contains(&stated));
    let found = stated.map_or_else(String::new, Value::to_string);
    let holds = stated.is_none() || llama;
    unless(holds, "text_config.model_type", found, "only a Llama decoder is supported, \"llama\"")
}

fn layer_norm_eps() -> f64 {
    1e-6
}

fn gelu_tanh() -> String {
    "gelu_pytorch_tanh".to_owned()
}

fn silu() -> String {
    "silu".to_owned()
}
