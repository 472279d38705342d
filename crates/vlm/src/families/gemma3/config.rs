//! Architecture of a Gemma 3 model, read from `config.json` of a Hugging Face folder. Google's files state few values.

use serde_json::Value;

use super::text;
use crate::encoder::EncoderShape;
use crate::images::shared::IMAGE_SIZE;
use crate::model_config::{CommonConfig, ConfigError, divides, token_id, unless};
use crate::vit_config::{self, VitConfig};

/// Key in `config.json` of the number of features of an image.
pub(super) const MM_TOKENS: &str = "mm_tokens_per_image";

/// What image encoder and connector need beside [`CommonConfig`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Image encoder.
    pub tower: VitConfig,
}

/// Reads and checks the contents of a `config.json`.
///
/// # Errors
/// When a value is malformed, invalid or not supported.
pub fn read(value: &Value) -> Result<(CommonConfig, Config), ConfigError> {
    let (vision, tower) = vit_config::read(value, &[vit_config::SIGLIP])?;
    let merge_size = pooled_side(value, &vision)?;
    let tokens = (vision.image_size.unwrap_or(0) / vision.patch_size / merge_size).pow(2);
    let common = CommonConfig {
        vision: EncoderShape { merge_size, ..vision },
        text: text::read(value)?,
        image_token_id: token_id(value, &["image_token_index", "image_token_id"], 262_144)?,
        shared: vec![(IMAGE_SIZE, tower.image_size.into()), (MM_TOKENS, tokens.into())],
    };
    common.check("vision_config.", "text_config.")?;
    Ok((common, Config { tower }))
}

/// Side, in patches, of the squares of patches that are averaged to `mm_tokens_per_image` features.
fn pooled_side(value: &Value, vision: &EncoderShape) -> Result<usize, ConfigError> {
    let stated = value.get(MM_TOKENS).filter(|stated| !stated.is_null());
    let tokens = stated.map_or(Some(256), Value::as_u64).and_then(|tokens| usize::try_from(tokens).ok());
    let side = tokens.map(usize::isqrt).filter(|side| *side > 0 && tokens == side.checked_mul(*side));
    let found = stated.map_or_else(|| "256".to_owned(), Value::to_string);
    unless(side.is_some(), MM_TOKENS, &found, "a square number of image features is expected")?;
    let (side, patches) = (side.unwrap_or(1), vision.image_size.unwrap_or(0) / vision.patch_size);
    divides("the square root of mm_tokens_per_image", side, patches, "the number of patches per side")?;
    Ok(patches / side)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The configuration of Gemma 3 4B as Google released it.
    fn released() -> Value {
        json!({
            "boi_token_index": 255_999, "eoi_token_index": 256_000, "eos_token_id": [1, 106], "image_token_index": 262_144,
            "initializer_range": 0.02, "mm_tokens_per_image": 256, "model_type": "gemma3",
            "text_config": {
                "hidden_size": 2560, "intermediate_size": 10_240, "model_type": "gemma3_text", "num_hidden_layers": 34,
                "rope_scaling": { "factor": 8.0, "rope_type": "linear" }, "sliding_window": 1024,
            },
            "vision_config": {
                "hidden_size": 1152, "image_size": 896, "intermediate_size": 4304, "model_type": "siglip_vision_model",
                "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": false,
            },
        })
    }

    #[test]
    fn the_released_file_gives_256_features_of_16_patches() {
        let (common, config) = read(&released()).expect("valid");
        assert_eq!((common.vision.merge_size, common.vision.features(896, 896)), (4, 256));
        assert_eq!((common.image_token_id, config.tower.layer_norm_eps), (262_144, 1e-6));
        assert_eq!((common.text.vocab_size, common.text.head_dim), (262_208, 256));
    }

    #[test]
    fn features_that_do_not_fit_the_patches_are_named() {
        let refused = |tokens: u64| {
            let mut config = released();
            config["mm_tokens_per_image"] = tokens.into();
            read(&config).expect_err("refused").to_string()
        };
        assert!(refused(255).starts_with("mm_tokens_per_image is 255: a square number"));
        assert!(refused(25).starts_with("the square root of mm_tokens_per_image is 5: "));
        let mut config = released();
        config["vision_config"]["model_type"] = "clip_vision_model".into();
        let other = read(&config).expect_err("refused").to_string();
        assert!(other.starts_with("vision_config.model_type is clip_vision_model: "), "{other}");
    }
}
