//! Architecture of a LLaVA-1.5 or LLaVA-NeXT model, read from `config.json` of a Hugging Face folder.

use serde_json::Value;

use crate::decoder;
use crate::images::shared::{IMAGE_SIZE, PATCH_SIZE};
use crate::model_config::{CommonConfig, ConfigError, tied_anywhere, token_id, unless};
use crate::vit_config::{self, VitConfig};

/// What image encoder and connector need beside [`CommonConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Image encoder.
    pub tower: VitConfig,
    /// Layers whose outputs become features, side by side, as numbers of layers before them: 0 is the input of the first
    /// layer. Not empty. Layers after the last of them are not computed.
    pub feature_layers: Vec<usize>,
    /// Whether the projector's layers have a bias.
    pub projector_bias: bool,
    /// Whether the embedding of a line break follows each tile's features (LLaVA-NeXT).
    pub newline: bool,
}

/// Reads and checks the contents of a `config.json` of LLaVA-1.5.
///
/// # Errors
/// When a value is malformed, invalid or not supported.
pub fn read(value: &Value) -> Result<(CommonConfig, Config), ConfigError> {
    let (vision, tower) = vit_config::read(value, &[vit_config::CLIP, vit_config::SIGLIP])?;
    let of_projector = value.get("projector_hidden_act").and_then(Value::as_str).unwrap_or("gelu");
    unless(of_projector == "gelu", "projector_hidden_act", of_projector, "only gelu is supported")?;
    let image_token_id = token_id(value, &["image_token_index", "image_token_id"], 32_000)?;
    let text = decoder::plain::read(value, tied_anywhere(value)?)?;
    let shared = vec![(IMAGE_SIZE, tower.image_size.into()), (PATCH_SIZE, vision.patch_size.into())];
    let common = CommonConfig { vision, text, image_token_id, shared };
    common.check("vision_config.", "text_config.")?;
    check_strategy(value, tower.clip)?;
    let config = Config {
        feature_layers: feature_layers(value, vision.num_hidden_layers)?,
        projector_bias: value.get("multimodal_projector_bias").and_then(Value::as_bool).unwrap_or(true),
        newline: false,
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

/// Layers of `vision_feature_layer`, one index or a list. Index 0 is the input of the first layer, and negative indices count
/// from the end.
fn feature_layers(value: &Value, layers: usize) -> Result<Vec<usize>, ConfigError> {
    let default = Value::from(-2);
    let stated = value.get("vision_feature_layer").filter(|stated| !stated.is_null()).unwrap_or(&default);
    let layer = |index: &Value| {
        let index = index.as_i64()?;
        let count = if index < 0 { index + layers as i64 + 1 } else { index };
        usize::try_from(count).ok().filter(|count| *count <= layers)
    };
    let indices = stated.as_array().map_or(std::slice::from_ref(stated), Vec::as_slice);
    let found: Option<Vec<usize>> = indices.iter().map(layer).collect();
    let found = found.filter(|found| !found.is_empty());
    let expected = format!("indices of layers are supported, from 0 to {layers} or from -{} to -1", layers + 1);
    unless(found.is_some(), "vision_feature_layer", stated, &expected)?;
    Ok(found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::feature_layers;

    #[test]
    fn feature_layers_count_from_both_ends() {
        let layers = |index: serde_json::Value| feature_layers(&json!({ "vision_feature_layer": index }), 24).ok();
        let one = |layer: usize| Some(vec![layer]);
        assert_eq!([json!(-2), json!(-1), json!(5), json!(null)].map(layers), [one(23), one(24), one(5), one(23)]);
        assert_eq!([json!(0), json!(-25)].map(layers), [one(0), one(0)]);
        assert_eq!(layers(json!([-2, 5, -1])), Some(vec![23, 5, 24]));
        assert_eq!([json!(25), json!(-26), json!([]), json!([1, 25]), json!("1")].map(layers), [const { None }; 5]);
    }
}
