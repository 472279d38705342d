//! `text_config` of a Gemma 3 model.

use serde::Deserialize;
use serde_json::Value;

use crate::decoder::config::{DecoderConfig, GateActivation, LocalLayers, Rope, RopeAxes, Switches};
use crate::model_config::{ConfigError, layers, section, size_of, tied_at_top, unless};

/// Absent values are the defaults of `Gemma3TextConfig`.
#[derive(Deserialize)]
struct Text {
    model_type: Option<String>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    query_pre_attn_scalar: Option<f32>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f32>,
    hidden_activation: Option<String>,
    rope_theta: Option<f64>,
    rope_local_base_freq: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    sliding_window: Option<usize>,
    sliding_window_pattern: Option<usize>,
    layer_types: Option<Vec<String>>,
    #[serde(default)]
    attention_bias: bool,
    use_bidirectional_attention: Option<bool>,
    attn_logit_softcapping: Option<f64>,
    final_logit_softcapping: Option<f64>,
}

/// Kind of a layer in `layer_types` that attends to the whole sequence.
const GLOBAL: &str = "full_attention";
/// Kind of a layer in `layer_types` that attends within a window.
const LOCAL: &str = "sliding_attention";

/// Reads the section `text_config` of `value`, the contents of a `config.json`.
///
/// # Errors
/// When a value is malformed, invalid or not supported.
pub(super) fn read(value: &Value) -> Result<DecoderConfig, ConfigError> {
    let text: Text = section(value, "text_config")?;
    check(&text)?;
    let hidden_size = text.hidden_size.unwrap_or(2304);
    let scalar = text.query_pre_attn_scalar.unwrap_or(256.0);
    let above_zero = scalar.is_finite() && scalar > 0.0;
    unless(above_zero, "text_config.query_pre_attn_scalar", scalar, "a number above 0 is expected")?;
    let (rope, local_rope) = ropes(&text)?;
    let count = text.num_hidden_layers.unwrap_or(26);
    layers("text_config.num_hidden_layers", count)?;
    let is_null = value.pointer("/text_config/sliding_window").is_some_and(Value::is_null);
    unless(!is_null, "text_config.sliding_window", "null", "the window of the local layers is expected")?;
    let window = text.sliding_window.unwrap_or(4096);
    size_of("text_config.sliding_window", window)?;
    Ok(DecoderConfig {
        module: "model.language_model",
        hidden_size,
        intermediate_size: text.intermediate_size.unwrap_or(9216),
        num_hidden_layers: count,
        num_attention_heads: text.num_attention_heads.unwrap_or(8),
        num_key_value_heads: text.num_key_value_heads.unwrap_or(4),
        head_dim: text.head_dim.unwrap_or(256),
        vocab_size: text.vocab_size.unwrap_or(262_208),
        max_position_embeddings: text.max_position_embeddings.unwrap_or(131_072),
        rms_norm_eps: text.rms_norm_eps.unwrap_or(1e-6),
        qkv_bias: false,
        qk_norm: true,
        rope,
        tie_word_embeddings: tied_at_top(value, true)?,
        switches: Switches {
            norm_offset: true,
            post_norms: true,
            gate: GateActivation::GeluTanh,
            query_pre_attn_scalar: Some(scalar),
            embedding_factor: Some((hidden_size as f64).sqrt() as f32),
            local: Some(LocalLayers { window, rope: local_rope, layers: local_layers(&text, count)? }),
            image_blocks: true,
        },
    })
}

/// Refuses what is not computed.
fn check(text: &Text) -> Result<(), ConfigError> {
    let kind = text.model_type.as_deref().unwrap_or("gemma3_text");
    unless(kind == "gemma3_text", "text_config.model_type", kind, "only \"gemma3_text\" is supported")?;
    let act = text.hidden_activation.as_deref().unwrap_or("gelu_pytorch_tanh");
    let expected = "only gelu_pytorch_tanh is supported";
    unless(act == "gelu_pytorch_tanh", "text_config.hidden_activation", act, expected)?;
    unless(!text.attention_bias, "text_config.attention_bias", "true", "only false is supported")?;
    let both = text.use_bidirectional_attention == Some(true);
    unless(!both, "text_config.use_bidirectional_attention", "true", "only false is supported")?;
    for (field, cap) in [
        ("attn_logit_softcapping", text.attn_logit_softcapping),
        ("final_logit_softcapping", text.final_logit_softcapping),
    ] {
        let found = cap.unwrap_or_default();
        unless(cap.is_none(), &format!("text_config.{field}"), found, "only null is supported, no soft-capping")?;
    }
    Ok(())
}

/// Whether each layer has a window: as in `layer_types`, else all but every `sliding_window_pattern`-th.
fn local_layers(text: &Text, count: usize) -> Result<Vec<bool>, ConfigError> {
    let Some(types) = &text.layer_types else {
        let pattern = text.sliding_window_pattern.unwrap_or(6);
        size_of("text_config.sliding_window_pattern", pattern)?;
        return Ok((1..=count).map(|layer| !layer.is_multiple_of(pattern)).collect());
    };
    let expected = format!("one kind for each of the {count} layers is expected");
    unless(types.len() == count, "text_config.layer_types", format!("of length {}", types.len()), &expected)?;
    let expected = format!("\"{GLOBAL}\" and \"{LOCAL}\" are supported");
    let unknown = types.iter().find(|kind| ![GLOBAL, LOCAL].contains(&kind.as_str()));
    unless(unknown.is_none(), "text_config.layer_types", unknown.map_or("", String::as_str), &expected)?;
    Ok(types.iter().map(|kind| kind == LOCAL).collect())
}

/// Rotary positions of global and local layers. Newer files hold both in `rope_parameters`; in older ones `rope_scaling`
/// belongs to the global layers.
fn ropes(text: &Text) -> Result<(Rope, Rope), ConfigError> {
    let newer = |kind: &str| text.rope_parameters.as_ref().and_then(|ropes| ropes.get(kind));
    let (global, field) = match &text.rope_parameters {
        Some(_) => (newer(GLOBAL), "rope_parameters.full_attention"),
        None => (text.rope_scaling.as_ref(), "rope_scaling"),
    };
    let global = rope(global, field, text.rope_theta.unwrap_or(1e6))?;
    let theta = text.rope_local_base_freq.unwrap_or(10_000.0);
    Ok((global, rope(newer(LOCAL), "rope_parameters.sliding_attention", theta)?))
}

/// Rotary positions of one kind of layers. `theta` is the base where `stated` states none.
fn rope(stated: Option<&Value>, field: &str, theta: f64) -> Result<Rope, ConfigError> {
    let stated = |name: &str| stated.and_then(|rope| rope.get(name)).filter(|value| !value.is_null());
    let kind = stated("rope_type").or_else(|| stated("type")).and_then(Value::as_str).unwrap_or("default");
    let factor = match kind {
        "linear" => stated("factor").and_then(Value::as_f64).filter(|factor| factor.is_finite() && *factor >= 1.0),
        _ => Some(1.0),
    };
    let expected = "\"default\" and \"linear\" are supported";
    unless(["default", "linear"].contains(&kind), &format!("text_config.{field}.rope_type"), kind, expected)?;
    let found = stated("factor").map_or("missing".to_owned(), Value::to_string);
    unless(factor.is_some(), &format!("text_config.{field}.factor"), found, "a number from 1 on is expected")?;
    let theta = stated("rope_theta").and_then(Value::as_f64).unwrap_or(theta);
    Ok(Rope { theta, factor: factor.unwrap_or(1.0) as f32, axes: RopeAxes::One })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: Value) -> Result<DecoderConfig, String> {
        read(&json!({ "text_config": text })).map_err(|error| error.to_string())
    }

    #[test]
    fn older_and_newer_files_state_the_same_decoder() {
        let older = of(json!({
            "num_hidden_layers": 7, "sliding_window": 512, "rope_scaling": { "rope_type": "linear", "factor": 8.0 },
        }));
        let local = ["sliding_attention"; 5];
        let types = [&local[..], &["full_attention", "sliding_attention"]].concat();
        let newer = of(json!({
            "num_hidden_layers": 7, "sliding_window": 512, "layer_types": types, "rope_parameters": {
                "full_attention": { "rope_type": "linear", "factor": 8.0, "rope_theta": 1e6 },
                "sliding_attention": { "rope_type": "default", "rope_theta": 1e4 },
            },
        }));
        let (older, newer) = (older.expect("valid"), newer.expect("valid"));
        assert_eq!(older, newer);
        assert_eq!((older.rope.theta, older.rope.factor, older.tie_word_embeddings), (1e6, 8.0, true));
        let local = older.switches.local.expect("local layers");
        assert_eq!((local.rope.theta, local.rope.factor, local.window), (1e4, 1.0, 512));
        assert_eq!(local.layers, [true, true, true, true, true, false, true]);
    }

    #[test]
    fn what_is_not_computed_is_named() {
        for (field, value) in [
            ("attn_logit_softcapping", json!(50.0)),
            ("final_logit_softcapping", json!(30.0)),
            ("model_type", json!("gemma2")),
            ("hidden_activation", json!("silu")),
            ("use_bidirectional_attention", json!(true)),
            ("layer_types", json!(["full_attention"])),
            ("query_pre_attn_scalar", json!(0)),
            ("sliding_window", json!(null)),
        ] {
            let error = of(json!({ field: value })).expect_err(field);
            assert!(error.starts_with(&format!("text_config.{field} is ")), "{error}");
        }
        let scaled = of(json!({ "rope_scaling": { "rope_type": "yarn", "factor": 8.0 } })).expect_err("refused");
        assert!(scaled.starts_with("text_config.rope_scaling.rope_type is yarn: "), "{scaled}");
        assert!(
            of(json!({ "rope_scaling": { "type": "linear" } })).expect_err("refused").contains("factor is missing")
        );
    }
}
