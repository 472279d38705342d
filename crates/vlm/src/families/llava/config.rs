//! Architecture of a LLaVA-1.5 model, read from `config.json` of a Hugging Face folder.

use serde_json::Value;

use crate::decoder;
use crate::model_config::{CommonConfig, ConfigError, token_id, unless};
use crate::vit_config::{self, VitConfig};

/// What image encoder and connector need beside [`CommonConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Image encoder.
    pub tower: VitConfig,
    /// Number of encoder layers whose output becomes features; further layers are not computed.
    pub feature_layers: usize,
    /// Whether the projector's layers have a bias.
    pub projector_bias: bool,
}

/// Reads and checks the contents of a `config.json`.
///
/// # Errors
/// When a value is malformed, invalid or not supported.
pub fn read(value: &Value) -> Result<(CommonConfig, Config), ConfigError> {
    let (vision, tower) = vit_config::read(value, &[vit_config::CLIP, vit_config::SIGLIP])?;
    let of_projector = value.get("projector_hidden_act").and_then(Value::as_str).unwrap_or("gelu");
    unless(of_projector == "gelu", "projector_hidden_act", of_projector, "only gelu is supported")?;
    let image_token_id = token_id(value, &["image_token_index", "image_token_id"], 32_000)?;
    let common = CommonConfig { vision, text: decoder::plain::read(value)?, image_token_id };
    common.check("vision_config.", "text_config.")?;
    check_strategy(value, tower.clip)?;
    let config = Config {
        feature_layers: feature_layers(value, vision.num_hidden_layers)?,
        projector_bias: value.get("multimodal_projector_bias").and_then(Value::as_bool).unwrap_or(true),
        tower,
    };
    Ok((common, config))
}

/// Which rows become features. `default` drops the first row, CLIP's class token; SigLIP has no class token.
fn check_strategy(value: &Value, clip: bool) -> Result<(), ConfigError> {
    let strategy = value.get("vision_feature_select_strategy").and_then(Value::as_str).unwrap_or("default");
    let (needed, expected) = match clip {
        true => ("default", "with a CLIP encoder only \"default\" is supported, which drops the class token"),
        false => ("full", "a SigLIP encoder has no class token, so only \"full\" is supported"),
    };
    unless(strategy == needed, "vision_feature_select_strategy", strategy, expected)
}

/// Number of layers up to `vision_feature_layer`. Index 0 is the input of the first layer, and negative indices count from
/// the end.
fn feature_layers(value: &Value, layers: usize) -> Result<usize, ConfigError> {
    let stated = value.get("vision_feature_layer").filter(|stated| !stated.is_null());
    let index = stated.map_or(Some(-2), Value::as_i64);
    let count = index.map(|index| if index < 0 { index + layers as i64 + 1 } else { index });
    let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| (1..=layers).contains(count));
    let expected = format!("one index of a layer is supported, from 1 to {layers} or from -{layers} to -1");
    let found = stated.map_or_else(|| "-2".to_owned(), Value::to_string);
    unless(count.is_some(), "vision_feature_layer", found, &expected).map(|()| count.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::feature_layers;

    #[test]
    fn feature_layers_count_from_both_ends() {
        let layers = |index: serde_json::Value| feature_layers(&json!({ "vision_feature_layer": index }), 24).ok();
        assert_eq!([json!(-2), json!(-1), json!(5), json!(null)].map(layers), [Some(23), Some(24), Some(5), Some(23)]);
        assert_eq!([json!(0), json!(25), json!(-25), json!([-2, -5])].map(layers), [None; 4]);
    }
}
