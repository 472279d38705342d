//! `text_config` of families whose decoder is a Llama, Mistral or Qwen2 model.

use serde::Deserialize;
use serde_json::Value;

use super::config::{DecoderConfig, Rope, RopeAxes, Switches};
use crate::model_config::{ConfigError, section, size_of, unless};

#[derive(Deserialize)]
struct Text {
    model_type: Option<String>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f32>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    use_sliding_window: bool,
    hidden_act: Option<String>,
}

/// Defaults of transformers' configuration class of one decoder.
struct Defaults {
    intermediate_size: usize,
    /// None means as many as query heads.
    num_key_value_heads: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
    /// Window of attention if the file says nothing; None is no window.
    sliding_window: Option<u64>,
}

/// Decoders by `model_type`.
const KNOWN: [(&str, Defaults); 3] = [
    (
        "llama",
        Defaults {
            intermediate_size: 11_008,
            num_key_value_heads: None,
            vocab_size: 32_000,
            max_position_embeddings: 2048,
            sliding_window: None,
        },
    ),
    (
        "mistral",
        Defaults {
            intermediate_size: 14_336,
            num_key_value_heads: Some(8),
            vocab_size: 32_000,
            max_position_embeddings: 131_072,
            sliding_window: Some(4096),
        },
    ),
    (
        "qwen2",
        Defaults {
            intermediate_size: 22_016,
            num_key_value_heads: Some(32),
            vocab_size: 151_936,
            max_position_embeddings: 32_768,
            sliding_window: None,
        },
    ),
];

/// Reads the section `text_config` of `value`, the contents of a `config.json`. `tied` says whether the embedding table is
/// also the output head, because families differ in where they state it.
///
/// # Errors
/// When the decoder is of another type, or a value is malformed or not supported.
pub(crate) fn read(value: &Value, tied: bool) -> Result<DecoderConfig, ConfigError> {
    let text: Text = section(value, "text_config")?;
    let kind = text.model_type.as_deref().unwrap_or("llama");
    let known = KNOWN.iter().find(|(name, _)| *name == kind);
    let expected = "decoders of the types \"llama\", \"mistral\" and \"qwen2\" are supported";
    unless(known.is_some(), "text_config.model_type", kind, expected)?;
    let defaults = known.map_or(&KNOWN[0].1, |(_, defaults)| defaults);
    let act = text.hidden_act.as_deref().unwrap_or("silu");
    unless(act == "silu", "text_config.hidden_act", act, "only silu is supported")?;
    unless(!text.attention_bias, "text_config.attention_bias", "true", "only false is supported")?;
    unless(!text.mlp_bias, "text_config.mlp_bias", "true", "only false is supported")?;
    unless(!text.use_sliding_window, "text_config.use_sliding_window", "true", "only false is supported")?;
    let max_position_embeddings = text.max_position_embeddings.unwrap_or(defaults.max_position_embeddings);
    check_window(value, kind, defaults, max_position_embeddings)?;
    let rope = [&text.rope_parameters, &text.rope_scaling].into_iter().flatten().next();
    let stated = |field: &str| rope.and_then(|rope| rope.get(field));
    let rope_type = stated("rope_type").or_else(|| stated("type")).and_then(Value::as_str).unwrap_or("default");
    // Dynamic scaling changes sequences longer than max_position_embeddings only, which are refused.
    let expected = "only default and dynamic are supported";
    unless(["default", "dynamic"].contains(&rope_type), "text_config.rope_parameters.rope_type", rope_type, expected)?;
    let theta = stated("rope_theta").and_then(Value::as_f64).or(text.rope_theta).unwrap_or(10_000.0);
    let heads = text.num_attention_heads.unwrap_or(32);
    size_of("text_config.num_attention_heads", heads)?;
    let hidden_size = text.hidden_size.unwrap_or(4096);
    Ok(DecoderConfig {
        module: "model.language_model",
        hidden_size,
        intermediate_size: text.intermediate_size.unwrap_or(defaults.intermediate_size),
        num_hidden_layers: text.num_hidden_layers.unwrap_or(32),
        num_attention_heads: heads,
        num_key_value_heads: text.num_key_value_heads.or(defaults.num_key_value_heads).unwrap_or(heads),
        head_dim: text.head_dim.unwrap_or(hidden_size / heads),
        vocab_size: text.vocab_size.unwrap_or(defaults.vocab_size),
        max_position_embeddings,
        rms_norm_eps: text.rms_norm_eps.unwrap_or(1e-6),
        qkv_bias: kind == "qwen2",
        qk_norm: false,
        rope: Rope { theta, factor: 1.0, axes: RopeAxes::One },
        tie_word_embeddings: tied,
        switches: Switches::default(),
    })
}

/// Refuses a window of attention that is shorter than the longest sequence. Only Mistral has one: a window that is absent
/// is its default, and `null` is none.
fn check_window(value: &Value, kind: &str, defaults: &Defaults, positions: usize) -> Result<(), ConfigError> {
    if kind != "mistral" {
        return Ok(());
    }
    let window = match value.get("text_config").and_then(|text| text.get("sliding_window")) {
        None => defaults.sliding_window,
        Some(stated) => stated.as_u64(),
    };
    let holds = window.is_none_or(|window| window >= positions as u64);
    let expected = "windows shorter than max_position_embeddings are not supported; null is no window";
    unless(holds, "text_config.sliding_window", window.unwrap_or_default(), expected)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: Value) -> Result<DecoderConfig, String> {
        read(&json!({ "text_config": text }), false).map_err(|error| error.to_string())
    }

    #[test]
    fn absent_values_are_the_defaults_of_the_decoder() {
        let vicuna = of(json!({ "model_type": "llama", "vocab_size": 32064 })).expect("valid");
        assert_eq!((vicuna.hidden_size, vicuna.intermediate_size, vicuna.head_dim), (4096, 11_008, 128));
        assert_eq!((vicuna.num_key_value_heads, vicuna.qkv_bias, vicuna.rope.theta), (32, false, 10_000.0));
        let mistral = of(json!({ "model_type": "mistral", "sliding_window": null })).expect("valid");
        assert_eq!((mistral.intermediate_size, mistral.num_key_value_heads), (14_336, 8));
        assert!(of(json!({ "model_type": "qwen2" })).expect("valid").qkv_bias);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let windowed = of(json!({ "model_type": "mistral" })).expect_err("refused");
        assert!(windowed.starts_with("text_config.sliding_window is 4096: "), "{windowed}");
        let other = of(json!({ "model_type": "phi3" })).expect_err("refused");
        assert!(other.starts_with("text_config.model_type is phi3: "), "{other}");
        let scaled = of(json!({ "rope_scaling": { "type": "linear", "factor": 2.0 } })).expect_err("refused");
        assert!(scaled.contains("rope_type is linear"), "{scaled}");
    }
}
