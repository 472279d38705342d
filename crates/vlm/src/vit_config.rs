//! `vision_config` of families whose image encoder is CLIP or SigLIP.

use serde::Deserialize;
use serde_json::Value;

use crate::encoder::EncoderShape;
use crate::model_config::{ConfigError, epsilon, section, unless, within};
use crate::vit::Activation;

/// What an image encoder needs beside [`EncoderShape`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VitConfig {
    /// Side of the image in pixels, at least the side of a patch.
    pub image_size: usize,
    /// Whether the encoder is CLIP, with a class token and a norm before its layers, else SigLIP.
    pub clip: bool,
    /// Activation of the encoder's layers.
    pub activation: Activation,
    /// Epsilon that layer normalisation adds to the variance.
    pub layer_norm_eps: f32,
}

#[derive(Deserialize)]
struct Vision {
    model_type: Option<String>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f32>,
}

/// Value of `vision_config.model_type` for a CLIP encoder.
pub(crate) const CLIP: &str = "clip_vision_model";
/// Value of `vision_config.model_type` for a SigLIP encoder.
pub(crate) const SIGLIP: &str = "siglip_vision_model";

/// Reads the section `vision_config` of `value`, the contents of a `config.json`. `kinds` are the types of encoders that the
/// family has; the first one is the default.
///
/// # Errors
/// When the encoder is of another type, or a value is malformed or not supported.
pub(crate) fn read(value: &Value, kinds: &[&str]) -> Result<(EncoderShape, VitConfig), ConfigError> {
    let vision: Vision = section(value, "vision_config")?;
    let kind = vision.model_type.as_deref().or(kinds.first().copied()).unwrap_or_default();
    let quoted: Vec<String> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
    let expected = format!("encoders of the types {} are supported", quoted.join(" and "));
    unless(kinds.contains(&kind), "vision_config.model_type", kind, &expected)?;
    let clip = kind == CLIP;
    let act = vision.hidden_act.as_deref().unwrap_or(if clip { "quick_gelu" } else { "gelu_pytorch_tanh" });
    let activation = Activation::named(act);
    let expected = "gelu, quick_gelu and gelu_pytorch_tanh are supported";
    unless(activation.is_some(), "vision_config.hidden_act", act, expected)?;
    // CLIPVisionConfig and SiglipVisionConfig have the same default sizes.
    let image_size = vision.image_size.unwrap_or(224);
    let patch_size = vision.patch_size.unwrap_or(if clip { 32 } else { 16 });
    within("vision_config.patch_size", patch_size, image_size, "image_size")?;
    let layer_norm_eps = vision.layer_norm_eps.unwrap_or(if clip { 1e-5 } else { 1e-6 });
    epsilon("vision_config.layer_norm_eps", layer_norm_eps.into())?;
    let shape = EncoderShape {
        hidden_size: vision.hidden_size.unwrap_or(768),
        intermediate_size: vision.intermediate_size.unwrap_or(3072),
        num_hidden_layers: vision.num_hidden_layers.unwrap_or(12),
        num_attention_heads: vision.num_attention_heads.unwrap_or(12),
        patch_size,
        merge_size: 1,
        gated: false,
        image_size: Some(image_size),
        deepstack: 0,
    };
    let config = VitConfig { image_size, clip, activation: activation.unwrap_or(Activation::Gelu), layer_norm_eps };
    Ok((shape, config))
}
