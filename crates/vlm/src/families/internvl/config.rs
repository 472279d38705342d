//! Architecture of an InternVL3 model, read from `config.json` of a Hugging Face folder.

use serde::Deserialize;
use serde_json::Value;

use crate::decoder;
use crate::encoder::EncoderShape;
use crate::images::shared::IMAGE_SIZE;
use crate::model_config::{
    CommonConfig, ConfigError, divides, epsilon, section, tied_at_top, token_id, unless, within,
};
use crate::vit::Activation;

/// Number of features of a tile by the keys of `config.json`.
pub(super) const TILE_FEATURES: &str = "(vision_config.image_size / vision_config.patch_size * downsample_ratio)^2";

/// What image encoder and connector need beside [`CommonConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Side of a tile in pixels, at least the side of a patch.
    pub image_size: usize,
    /// Activation of the encoder's layers.
    pub activation: Activation,
    /// Epsilon that the norms of the encoder add to the variance.
    pub norm_eps: f32,
    /// Whether the norms of the encoder's layers are RMS norms, else layer norms.
    pub rms_norm: bool,
    /// Whether queries, keys and values have a bias.
    pub attention_bias: bool,
    /// Whether queries and keys are normalised.
    pub qk_norm: bool,
    /// Whether the patches have learned positions.
    pub positions: bool,
    /// Number of encoder layers whose output becomes features; further layers are not computed.
    pub feature_layers: usize,
    /// Whether the encoder has a norm after its last layer.
    pub has_last_norm: bool,
    /// Whether features pass the norm after the encoder's last layer.
    pub uses_last_norm: bool,
}

#[derive(Deserialize)]
struct Vision {
    model_type: Option<String>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    image_size: Option<Value>,
    patch_size: Option<Value>,
    hidden_act: Option<String>,
    norm_type: Option<String>,
    layer_norm_eps: Option<f32>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    use_qk_norm: bool,
    #[serde(default)]
    use_mask_token: bool,
    use_absolute_position_embeddings: Option<bool>,
    use_mean_pooling: Option<bool>,
}

/// Reads and checks the contents of a `config.json`. Absent values are the defaults of `InternVLConfig`.
///
/// # Errors
/// When a value is malformed, invalid or not supported.
pub fn read(value: &Value) -> Result<(CommonConfig, Config), ConfigError> {
    let vision: Vision = section(value, "vision_config")?;
    let kind = vision.model_type.as_deref().unwrap_or("internvl_vision");
    unless(kind == "internvl_vision", "vision_config.model_type", kind, "only internvl_vision is supported")?;
    let act = vision.hidden_act.as_deref().unwrap_or("gelu");
    let activation = Activation::named(act);
    let expected = "gelu, quick_gelu and gelu_pytorch_tanh are supported";
    unless(activation.is_some(), "vision_config.hidden_act", act, expected)?;
    let norm = vision.norm_type.as_deref().unwrap_or("layer_norm");
    let expected = "layer_norm and rms_norm are supported";
    unless(["layer_norm", "rms_norm"].contains(&norm), "vision_config.norm_type", norm, expected)?;
    unless(!vision.use_mask_token, "vision_config.use_mask_token", "true", "only false is supported")?;
    let of_projector = value.get("projector_hidden_act").and_then(Value::as_str).unwrap_or("gelu");
    unless(of_projector == "gelu", "projector_hidden_act", of_projector, "only gelu is supported")?;
    let strategy = value.get("vision_feature_select_strategy").and_then(Value::as_str).unwrap_or("default");
    let expected = "only \"default\" is supported, which drops the class token";
    unless(strategy == "default", "vision_feature_select_strategy", strategy, expected)?;

    let shape = EncoderShape {
        hidden_size: vision.hidden_size.unwrap_or(1024),
        intermediate_size: vision.intermediate_size.unwrap_or(4096),
        num_hidden_layers: vision.num_hidden_layers.unwrap_or(24),
        num_attention_heads: vision.num_attention_heads.unwrap_or(16),
        patch_size: side("vision_config.patch_size", vision.patch_size.as_ref(), 14)?,
        merge_size: merged_side(value)?,
        gated: false,
        image_size: Some(side("vision_config.image_size", vision.image_size.as_ref(), 448)?),
        deepstack: 0,
    };
    let text = decoder::plain::read(value, tied_at_top(value, true)?)?;
    let image_token_id = token_id(value, &["image_token_id"], 151_667)?;
    let common = CommonConfig { vision: shape, text, image_token_id, shared: Vec::new() };
    common.check("vision_config.", "text_config.")?;
    let image_size = shape.image_size.unwrap_or_default();
    within("vision_config.patch_size", shape.patch_size, image_size, "image_size")?;
    let patches = image_size / shape.patch_size;
    divides("1 / downsample_ratio", shape.merge_size, patches, "the number of patches per side")?;
    let norm_eps = vision.layer_norm_eps.unwrap_or(1e-6);
    epsilon("vision_config.layer_norm_eps", norm_eps.into())?;
    let has_last_norm = !vision.use_mean_pooling.unwrap_or(true);
    let (feature_layers, is_last) = feature_layers(value, shape.num_hidden_layers)?;
    let features = (patches / shape.merge_size).pow(2);
    let shared = vec![(IMAGE_SIZE, image_size.into()), (TILE_FEATURES, features.into())];
    let common = CommonConfig { shared, ..common };
    let config = Config {
        image_size,
        activation: activation.unwrap_or(Activation::Gelu),
        norm_eps,
        rms_norm: norm == "rms_norm",
        attention_bias: vision.attention_bias,
        qk_norm: vision.use_qk_norm,
        positions: vision.use_absolute_position_embeddings.unwrap_or(true),
        feature_layers,
        has_last_norm,
        uses_last_norm: has_last_norm && is_last,
    };
    Ok((common, config))
}

/// Reads the side of a square that is stated as one number or as a list of two equal ones.
fn side(field: &str, stated: Option<&Value>, default: usize) -> Result<usize, ConfigError> {
    let Some(stated) = stated else { return Ok(default) };
    let sides: Option<Vec<u64>> = match stated {
        Value::Array(sides) => sides.iter().map(Value::as_u64).collect(),
        one => one.as_u64().map(|side| vec![side, side]),
    };
    let side = sides.filter(|sides| sides.len() == 2 && sides[0] == sides[1]).map(|sides| sides[0] as usize);
    unless(side.is_some(), field, stated, "a number, or a list of two equal numbers, is expected")?;
    Ok(side.unwrap_or(default))
}

/// Side, in patches, of the squares that pixel shuffle joins: the inverse of `downsample_ratio`.
fn merged_side(value: &Value) -> Result<usize, ConfigError> {
    let field = "downsample_ratio";
    let stated = value.get(field).filter(|stated| !stated.is_null());
    let ratio = stated.map_or(Some(0.5), Value::as_f64).filter(|ratio| *ratio > 0.0 && *ratio <= 1.0);
    let side = ratio.map(|ratio| 1.0 / ratio).filter(|side| (side - side.round()).abs() < 1e-9 && *side < 64.0);
    let found = stated.map_or_else(String::new, Value::to_string);
    unless(side.is_some(), field, found, "1 divided by a whole number is expected")?;
    Ok(side.unwrap_or(2.0).round() as usize)
}

/// Number of layers up to `vision_feature_layer`, and whether it is -1, after which the encoder's last norm comes. Index 0 is
/// the input of the first layer, and other negative indices count from the end.
fn feature_layers(value: &Value, layers: usize) -> Result<(usize, bool), ConfigError> {
    let stated = value.get("vision_feature_layer").filter(|stated| !stated.is_null());
    let index = stated.map_or(Some(-1), Value::as_i64);
    let count = index.map(|index| if index < 0 { index + layers as i64 + 1 } else { index });
    let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| (1..=layers).contains(count));
    let found = stated.map_or_else(|| "-1".to_owned(), Value::to_string);
    let expected = format!("one index of a layer is supported, from 1 to {layers} or from -{layers} to -1");
    unless(count.is_some(), "vision_feature_layer", found, &expected)?;
    Ok((count.unwrap_or_default(), index == Some(-1)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_values_are_the_defaults() {
        let text =
            json!({ "model_type": "qwen2", "hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": 2 });
        let config = json!({ "vision_config": {}, "text_config": text });
        let (common, config) = read(&config).expect("valid");
        assert_eq!((common.vision.merge_size, common.vision.features(448, 448)), (2, 256));
        assert_eq!((common.image_token_id, common.text.tie_word_embeddings), (151_667, true));
        assert_eq!((config.feature_layers, config.has_last_norm, config.positions), (24, false, true));
    }

    #[test]
    fn layers_count_from_both_ends_and_the_last_norm_follows_minus_one_only() {
        let layers = |index: Value| feature_layers(&json!({ "vision_feature_layer": index }), 24).ok();
        assert_eq!(
            [json!(-1), json!(24), json!(-2), json!(3)].map(layers),
            [Some((24, true)), Some((24, false)), Some((23, false)), Some((3, false))]
        );
        assert_eq!([json!(0), json!(25), json!([-1])].map(layers), [None; 3]);
    }

    #[test]
    fn features_pass_a_last_norm_after_the_last_layer_only() {
        let text =
            json!({ "model_type": "qwen2", "hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": 2 });
        let last_norm = |pooling: bool, layer: i64| {
            let vision = json!({ "use_mean_pooling": pooling });
            let value = json!({ "vision_config": vision, "text_config": text, "vision_feature_layer": layer });
            let (_, config) = read(&value).expect("valid");
            (config.has_last_norm, config.uses_last_norm)
        };
        assert_eq!([last_norm(false, -1), last_norm(false, -2)], [(true, true), (true, false)]);
        assert_eq!(last_norm(true, -1), (false, false), "a pooled encoder has none");
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let text = json!({ "model_type": "qwen2", "hidden_size": 4096 });
        let vision = |vision: Value| {
            read(&json!({ "vision_config": vision, "text_config": text })).expect_err("refused").to_string()
        };
        assert!(vision(json!({ "image_size": [448, 224] })).starts_with("vision_config.image_size is [448,224]: "));
        assert!(vision(json!({ "norm_type": "batch_norm" })).starts_with("vision_config.norm_type is batch_norm: "));
        assert!(vision(json!({ "use_mask_token": true })).starts_with("vision_config.use_mask_token is true: "));
        let ratio = json!({ "downsample_ratio": 0.3 });
        assert!(merged_side(&ratio).expect_err("refused").to_string().starts_with("downsample_ratio is 0.3: "));
    }
}
