//! Architecture of a Qwen2-VL or Qwen2.5-VL model, read from `config.json` of a Hugging Face folder.

use serde::Deserialize;
use serde_json::Value;

use super::super::qwen::config::{RopeDefaults, RopeFields, check_sizes, shared};
use crate::decoder::config::{DecoderConfig, RopeAxes, Switches};
use crate::encoder::EncoderShape;
use crate::model_config::{CommonConfig, ConfigError, section, size_of, tied_anywhere, token_id, typed, unless};

/// What image encoder and connector need beside [`CommonConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Frames that one patch covers; a still image stands in all of them.
    pub temporal_patch_size: usize,
    /// Windows of Qwen2.5-VL; None for Qwen2-VL, whose layers attend to the whole image.
    pub windows: Option<Windows>,
}

/// Windows of attention in the image encoder of Qwen2.5-VL.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// Side of a window, in features (merged patches).
    pub side: usize,
    /// Layers that attend to the whole image, counted from 0.
    pub whole: Vec<usize>,
}

/// `vision_config`. Qwen2-VL has `embed_dim` and `mlp_ratio`; its `hidden_size` is the width of the decoder.
#[derive(Deserialize)]
struct Vision {
    #[serde(default = "depth")]
    depth: usize,
    embed_dim: Option<usize>,
    hidden_size: Option<usize>,
    mlp_ratio: Option<f64>,
    intermediate_size: Option<usize>,
    #[serde(default = "heads")]
    num_heads: usize,
    hidden_act: Option<String>,
    #[serde(default = "patch_size")]
    patch_size: usize,
    #[serde(default = "two")]
    temporal_patch_size: usize,
    #[serde(default = "two")]
    spatial_merge_size: usize,
    window_size: Option<usize>,
    fullatt_block_indexes: Option<Vec<usize>>,
    out_hidden_size: Option<usize>,
}

/// The decoder: `text_config`, or the top of the file in folders that older versions of transformers saved.
#[derive(Deserialize)]
struct Text {
    #[serde(default = "hidden_size")]
    hidden_size: usize,
    #[serde(default = "intermediate_size")]
    intermediate_size: usize,
    #[serde(default = "layers")]
    num_hidden_layers: usize,
    #[serde(default = "attention_heads")]
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    #[serde(default = "vocab_size")]
    vocab_size: usize,
    #[serde(default = "positions")]
    max_position_embeddings: usize,
    #[serde(default = "epsilon")]
    rms_norm_eps: f32,
    #[serde(default)]
    use_sliding_window: bool,
    layer_types: Option<Vec<String>>,
    #[serde(default = "silu")]
    hidden_act: String,
}

/// Rotary positions where the file does not state them.
const ROPE: RopeDefaults = RopeDefaults { theta: 1e6, sections: [16, 24, 24], axes: RopeAxes::Sections };

/// Reads and checks the contents of a `config.json`.
///
/// # Errors
/// When a value is malformed, invalid or not supported.
pub fn read(value: &Value) -> Result<(CommonConfig, Config), ConfigError> {
    let is_newer = value.get("model_type").and_then(Value::as_str) == Some("qwen2_5_vl");
    let (text, rope, at): (Text, RopeFields, &str) = match value.get("text_config").is_some_and(Value::is_object) {
        true => (section(value, "text_config")?, section(value, "text_config")?, "text_config."),
        false => (typed(value, "")?, typed(value, "")?, ""),
    };
    let vision: Vision = section(value, "vision_config")?;
    let act = vision.hidden_act.as_deref();
    let expected = if is_newer { "silu" } else { "quick_gelu" };
    let supported = act.is_none_or(|act| act == expected);
    unless(supported, "vision_config.hidden_act", act.unwrap_or_default(), &format!("only {expected} is supported"))?;
    let [text_act, sliding] = ["hidden_act", "use_sliding_window"].map(|field| format!("{at}{field}"));
    unless(text.hidden_act == "silu", &text_act, &text.hidden_act, "only silu is supported")?;
    unless(!text.use_sliding_window, &sliding, "true", "only false is supported")?;
    rope.check_interleaved(at, false)?;
    let is_full = |kind: &String| kind == "full_attention";
    let whole = text.layer_types.as_ref().is_none_or(|types| types.iter().all(is_full));
    unless(whole, &format!("{at}layer_types"), "not full everywhere", "only \"full_attention\" is supported")?;
    size_of(&format!("{at}num_attention_heads"), text.num_attention_heads)?;
    let head_dim = text.hidden_size / text.num_attention_heads;
    let (hidden, inner) = match is_newer {
        true => (vision.hidden_size.unwrap_or(3584), vision.intermediate_size.unwrap_or(3420)),
        false => {
            let width = vision.embed_dim.unwrap_or(1280);
            (width, (width as f64 * vision.mlp_ratio.unwrap_or(4.0)) as usize)
        }
    };
    let shape = EncoderShape {
        hidden_size: hidden,
        intermediate_size: inner,
        num_hidden_layers: vision.depth,
        num_attention_heads: vision.num_heads,
        patch_size: vision.patch_size,
        merge_size: vision.spatial_merge_size,
        gated: is_newer,
        image_size: None,
        deepstack: 0,
    };
    let common = CommonConfig {
        vision: shape,
        text: DecoderConfig {
            module: "model.language_model",
            hidden_size: text.hidden_size,
            intermediate_size: text.intermediate_size,
            num_hidden_layers: text.num_hidden_layers,
            num_attention_heads: text.num_attention_heads,
            num_key_value_heads: text.num_key_value_heads.unwrap_or(text.num_attention_heads),
            head_dim,
            vocab_size: text.vocab_size,
            max_position_embeddings: text.max_position_embeddings,
            rms_norm_eps: text.rms_norm_eps,
            qkv_bias: true,
            qk_norm: false,
            rope: rope.read(at, head_dim, &ROPE)?,
            tie_word_embeddings: tied_anywhere(value)?,
            switches: Switches::default(),
        },
        image_token_id: token_id(value, &["image_token_id"], 151_655)?,
        shared: shared(&shape, vision.temporal_patch_size),
    };
    let out = match is_newer {
        true => ("out_hidden_size", vision.out_hidden_size),
        false => ("hidden_size", vision.hidden_size),
    };
    check_sizes(&common, at, vision.temporal_patch_size, out)?;
    let windows = if is_newer { Some(windows(&vision)?) } else { None };
    Ok((common, Config { temporal_patch_size: vision.temporal_patch_size, windows }))
}

fn windows(vision: &Vision) -> Result<Windows, ConfigError> {
    let cell = vision.patch_size * vision.spatial_merge_size;
    let size = vision.window_size.unwrap_or(112);
    let expected = "at least patch_size * spatial_merge_size is needed";
    unless(size >= cell, "vision_config.window_size", size, expected)?;
    let stated = vision.fullatt_block_indexes.as_ref();
    let exist = stated.is_none_or(|layers| layers.iter().all(|layer| *layer < vision.depth));
    let expected = format!("numbers of encoder layers from 0 to {} are expected", vision.depth.saturating_sub(1));
    unless(exist, "vision_config.fullatt_block_indexes", format!("{:?}", stated.unwrap_or(&Vec::new())), &expected)?;
    let whole = stated.cloned().unwrap_or_else(|| vec![7, 15, 23, 31]);
    Ok(Windows { side: size / cell, whole })
}

// Defaults of transformers' configuration classes.
fn depth() -> usize {
    32
}
fn heads() -> usize {
    16
}
fn patch_size() -> usize {
    14
}
fn two() -> usize {
    2
}
fn hidden_size() -> usize {
    8192
}
fn intermediate_size() -> usize {
    29_568
}
fn layers() -> usize {
    80
}
fn attention_heads() -> usize {
    64
}
fn vocab_size() -> usize {
    152_064
}
fn positions() -> usize {
    32_768
}
fn epsilon() -> f32 {
    1e-5
}
fn silu() -> String {
    "silu".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decoder_with_any_layer_with_a_window_is_refused() {
        let with = |types: Value| {
            let text = json!({ "layer_types": types });
            read(&json!({ "model_type": "qwen2_5_vl", "text_config": text, "vision_config": {} }))
        };
        assert!(with(json!(["full_attention", "full_attention"])).is_ok());
        let error = with(json!(["full_attention", "sliding_attention"])).expect_err("refused").to_string();
        assert!(error.starts_with("text_config.layer_types is not full everywhere: "), "{error}");
    }
}
