//! Parts of `config.json` that Qwen2-VL, Qwen2.5-VL and Qwen3-VL have in common.

use serde::Deserialize;
use serde_json::Value;

use crate::decoder::config::{Rope, RopeAxes};
use crate::encoder::EncoderShape;
use crate::images::shared::{OfConfig, PATCH_SIZE};
use crate::model_config::{CommonConfig, ConfigError, size_of, unless};

/// Key in `config.json` of the side of the square of patches that becomes one feature.
pub(super) const MERGE_SIZE: &str = "vision_config.spatial_merge_size";
/// Key in `config.json` of the number of frames that a patch covers.
pub(super) const TEMPORAL_PATCH_SIZE: &str = "vision_config.temporal_patch_size";

/// Returns the values that the image preprocessing settings state as well. `frames` is the number of frames that a patch
/// covers.
pub(crate) fn shared(vision: &EncoderShape, frames: usize) -> Vec<OfConfig> {
    vec![
        (PATCH_SIZE, vision.patch_size.into()),
        (MERGE_SIZE, vision.merge_size.into()),
        (TEMPORAL_PATCH_SIZE, frames.into()),
    ]
}

/// Fields of the rotary positions, next to the other fields of the decoder.
#[derive(Deserialize)]
pub(crate) struct RopeFields {
    #[serde(default)]
    rope_theta: Option<f64>,
    #[serde(default)]
    rope_scaling: Option<Value>,
    #[serde(default)]
    rope_parameters: Option<Value>,
}

/// Rotary positions of a family where the file does not state them.
pub(crate) struct RopeDefaults {
    /// Base of the frequencies.
    pub theta: f64,
    /// Value of `mrope_section`.
    pub sections: [usize; 3],
    /// How the sections assign frequencies to axes.
    pub axes: fn([usize; 3]) -> RopeAxes,
}

impl RopeFields {
    /// Returns the object of the rotary positions and its name: `rope_scaling`, in newer folders `rope_parameters`.
    fn stated(&self) -> (&Value, &'static str) {
        match (&self.rope_parameters, &self.rope_scaling) {
            (Some(newer), _) => (newer, "rope_parameters"),
            (None, Some(older)) => (older, "rope_scaling"),
            (None, None) => (&Value::Null, "rope_scaling"),
        }
    }

    /// Returns the rotary positions of heads of `head_dim` values. `at` is the name of the section in `config.json` with
    /// a dot, empty for fields at the top.
    ///
    /// # Errors
    /// When the positions are of another type, or the sections do not fit `head_dim`.
    pub fn read(&self, at: &str, head_dim: usize, defaults: &RopeDefaults) -> Result<Rope, ConfigError> {
        let (stated, field) = self.stated();
        let kind = stated.get("rope_type").or_else(|| stated.get("type")).and_then(Value::as_str).unwrap_or("default");
        let known = ["default", "mrope"].contains(&kind);
        unless(known, &format!("{at}{field}.rope_type"), kind, "only \"mrope\" and \"default\" are supported")?;
        let sections = stated.get("mrope_section").cloned().unwrap_or_else(|| serde_json::json!(defaults.sections));
        let found = sections.to_string();
        let sections: Option<[usize; 3]> = serde_json::from_value(sections).ok();
        let sum = sections.and_then(|sections| sections.iter().try_fold(0_usize, |sum, one| sum.checked_add(*one)));
        let expected = format!("three numbers that add up to half the width of a head, {}, are expected", head_dim / 2);
        unless(sum == Some(head_dim / 2), &format!("{at}{field}.mrope_section"), found, &expected)?;
        let theta = stated.get("rope_theta").and_then(Value::as_f64).or(self.rope_theta).unwrap_or(defaults.theta);
        Ok(Rope { theta, factor: 1.0, axes: (defaults.axes)(sections.unwrap_or_default()) })
    }

    /// Checks that `mrope_interleaved` is absent or `expected`. `at` is as in [`RopeFields::read`].
    ///
    /// # Errors
    /// When it has another value.
    pub fn check_interleaved(&self, at: &str, expected: bool) -> Result<(), ConfigError> {
        let (stated, field) = self.stated();
        let found = stated.get("mrope_interleaved").and_then(Value::as_bool).unwrap_or(expected);
        let supported = format!("only {expected} is supported");
        unless(found == expected, &format!("{at}{field}.mrope_interleaved"), found, &supported)
    }
}

/// Checks the sizes of decoder and image encoder. `at` is as in [`RopeFields::read`], `frames` the number of frames that a
/// patch covers, `out` the width of the features with the name of its field, if the file states it.
///
/// # Errors
/// When a size is out of range or does not fit another one.
pub(crate) fn check_sizes(
    common: &CommonConfig,
    at: &str,
    frames: usize,
    (out_field, out): (&str, Option<usize>),
) -> Result<(), ConfigError> {
    common.check("vision_config.", at)?;
    let vision = &common.vision;
    size_of(MERGE_SIZE, vision.merge_size)?;
    size_of(TEMPORAL_PATCH_SIZE, frames)?;
    let four = (vision.hidden_size / vision.num_attention_heads).is_multiple_of(4);
    let expected = "hidden_size / num_heads must be a multiple of 4 for rotary positions in two dimensions";
    unless(four, "vision_config.num_heads", vision.num_attention_heads, expected)?;
    let fits = out.is_none_or(|out| out == common.text.hidden_size);
    let expected = "it must be the hidden_size of the decoder";
    unless(fits, &format!("vision_config.{out_field}"), out.unwrap_or_default(), expected)
}
