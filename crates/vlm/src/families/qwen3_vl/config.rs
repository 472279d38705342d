//! Architecture of a dense Qwen3-VL model, read from `config.json` of a Hugging Face folder.

use serde::Deserialize;
use serde_json::Value;

use super::super::qwen::config::{RopeDefaults, RopeFields, check_sizes, shared};
use crate::decoder::config::{DecoderConfig, RopeAxes, Switches};
use crate::encoder::EncoderShape;
use crate::model_config::{CommonConfig, ConfigError, section, size_of, tied_at_top, token_id, unless};

/// What image encoder and connector need beside [`CommonConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Frames that one patch covers; a still image stands in all of them.
    pub temporal_patch_size: usize,
    /// Side of the square table of learned positions.
    pub positions: usize,
    /// Encoder layers whose outputs become further sets of features, counted from 0, in increasing order.
    pub deepstack: Vec<usize>,
}

/// `vision_config`. Absent fields take the defaults of transformers' configuration class.
#[derive(Deserialize)]
#[serde(default)]
struct Vision {
    depth: usize,
    hidden_size: usize,
    hidden_act: String,
    intermediate_size: usize,
    num_heads: usize,
    patch_size: usize,
    temporal_patch_size: usize,
    spatial_merge_size: usize,
    out_hidden_size: Option<usize>,
    num_position_embeddings: usize,
    deepstack_visual_indexes: Vec<usize>,
}

impl Default for Vision {
    fn default() -> Self {
        Self {
            depth: 27,
            hidden_size: 1152,
            hidden_act: "gelu_pytorch_tanh".to_owned(),
            intermediate_size: 4304,
            num_heads: 16,
            patch_size: 16,
            temporal_patch_size: 2,
            spatial_merge_size: 2,
            out_hidden_size: None,
            num_position_embeddings: 2304,
            deepstack_visual_indexes: vec![8, 16, 24],
        }
    }
}

/// `text_config` without the rotary positions. Absent fields take the defaults of transformers' configuration class.
#[derive(Deserialize)]
#[serde(default)]
struct Text {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f32,
    attention_bias: bool,
    hidden_act: String,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            hidden_size: 4096,
            intermediate_size: 22_016,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: 32,
            head_dim: 128,
            vocab_size: 151_936,
            max_position_embeddings: 128_000,
            rms_norm_eps: 1e-6,
            attention_bias: false,
            hidden_act: "silu".to_owned(),
        }
    }
}

/// Rotary positions where the file does not state them.
const ROPE: RopeDefaults = RopeDefaults { theta: 5e5, sections: [24, 20, 20], axes: RopeAxes::Interleaved };

/// Reads and checks the contents of a `config.json`.
///
/// # Errors
/// When a value is malformed, invalid or not supported.
pub fn read(value: &Value) -> Result<(CommonConfig, Config), ConfigError> {
    let text: Text = section(value, "text_config")?;
    let rope: RopeFields = section(value, "text_config")?;
    let vision: Vision = section(value, "vision_config")?;
    let act = vision.hidden_act.as_str();
    let expected = "only gelu_pytorch_tanh is supported";
    unless(act == "gelu_pytorch_tanh", "vision_config.hidden_act", act, expected)?;
    unless(text.hidden_act == "silu", "text_config.hidden_act", &text.hidden_act, "only silu is supported")?;
    unless(!text.attention_bias, "text_config.attention_bias", "true", "only false is supported")?;
    rope.check_interleaved("text_config.", true)?;
    let config = Config {
        temporal_patch_size: vision.temporal_patch_size,
        positions: table_side(vision.num_position_embeddings)?,
        deepstack: deepstack(&vision)?,
    };
    let shape = EncoderShape {
        hidden_size: vision.hidden_size,
        intermediate_size: vision.intermediate_size,
        num_hidden_layers: vision.depth,
        num_attention_heads: vision.num_heads,
        patch_size: vision.patch_size,
        merge_size: vision.spatial_merge_size,
        gated: false,
        image_size: None,
        deepstack: config.deepstack.len(),
    };
    let common = CommonConfig {
        vision: shape,
        text: DecoderConfig {
            module: "model.language_model",
            hidden_size: text.hidden_size,
            intermediate_size: text.intermediate_size,
            num_hidden_layers: text.num_hidden_layers,
            num_attention_heads: text.num_attention_heads,
            num_key_value_heads: text.num_key_value_heads,
            head_dim: text.head_dim,
            vocab_size: text.vocab_size,
            max_position_embeddings: text.max_position_embeddings,
            rms_norm_eps: text.rms_norm_eps,
            qkv_bias: false,
            qk_norm: true,
            rope: rope.read("text_config.", text.head_dim, &ROPE)?,
            tie_word_embeddings: tied_at_top(value, false)?,
            switches: Switches::default(),
        },
        image_token_id: token_id(value, &["image_token_id"], 151_655)?,
        shared: shared(&shape, vision.temporal_patch_size),
    };
    let out = ("out_hidden_size", vision.out_hidden_size);
    check_sizes(&common, "text_config.", vision.temporal_patch_size, out)?;
    Ok((common, config))
}

/// Side of the square table of positions.
fn table_side(positions: usize) -> Result<usize, ConfigError> {
    let field = "vision_config.num_position_embeddings";
    size_of(field, positions)?;
    let side = positions.isqrt();
    unless(side * side == positions, field, positions, "a square number is expected")?;
    Ok(side)
}

/// Checks the layers of the deepstack features.
fn deepstack(vision: &Vision) -> Result<Vec<usize>, ConfigError> {
    let layers = &vision.deepstack_visual_indexes;
    let increasing = layers.windows(2).all(|pair| pair[0] < pair[1]);
    let exist = layers.last().is_none_or(|last| *last < vision.depth);
    let expected = "increasing numbers of encoder layers, counted from 0, are expected";
    unless(increasing && exist, "vision_config.deepstack_visual_indexes", format!("{layers:?}"), expected)?;
    Ok(layers.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: Value, vision: Value) -> Result<(CommonConfig, Config), String> {
        read(&json!({ "text_config": text, "vision_config": vision })).map_err(|error| error.to_string())
    }

    #[test]
    fn absent_values_are_the_defaults() {
        let (common, config) = of(json!({}), json!({})).expect("valid");
        assert_eq!((common.text.head_dim, common.text.rope.theta, common.image_token_id), (128, 5e5, 151_655));
        assert_eq!(common.text.rope.axes, RopeAxes::Interleaved([24, 20, 20]));
        assert_eq!((config.positions, config.deepstack, common.vision.deepstack), (48, vec![8, 16, 24], 3));
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let stacked =
            |layers: Value| of(json!({}), json!({ "deepstack_visual_indexes": layers })).expect_err("refused");
        for layers in [json!([5, 5]), json!([9, 2]), json!([27])] {
            let error = stacked(layers);
            assert!(error.starts_with("vision_config.deepstack_visual_indexes is ["), "{error}");
        }
        let table = of(json!({}), json!({ "num_position_embeddings": 2300 })).expect_err("refused");
        assert!(table.contains("a square number"), "{table}");
        let rope = json!({ "mrope_interleaved": false, "mrope_section": [24, 20, 20] });
        let apart = of(json!({ "rope_scaling": rope }), json!({})).expect_err("refused");
        assert!(apart.starts_with("text_config.rope_scaling.mrope_interleaved is false"), "{apart}");
        let biased = of(json!({ "attention_bias": true }), json!({})).expect_err("refused");
        assert!(biased.starts_with("text_config.attention_bias is true"), "{biased}");
        let typed = of(json!({ "head_dim": "wide" }), json!({})).expect_err("refused");
        assert!(typed.starts_with("text_config.head_dim: invalid type"), "{typed}");
    }
}
