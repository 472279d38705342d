//! Image preprocessing settings of Idefics3 and SmolVLM. Absent fields take the defaults of `Idefics3ImageProcessor`.

use serde::Serialize;
use serde_json::Value;

use crate::images::resize::Resample;
use crate::images::settings::{SettingError, flag, only_true, resample, wrong};
use crate::images::values::PixelValues;

/// Largest side of a resized image, in pixels, whatever the config says. The original processor has the same bound.
pub(super) const LONGEST_SIDE: u32 = 4096;

/// Largest accepted `size.longest_edge`, in pixels. [`LONGEST_SIDE`] is applied afterwards.
const LARGEST_SIZE: u32 = 65_536;

/// Most tiles along a side. Real models have fewer: 4096 pixels in tiles of 364 are 12 tiles.
const TILES_A_SIDE: u32 = 32;

/// Side length, in the form `{"longest_edge": N}` of `preprocessor_config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LongestEdge {
    /// Length of the longer side, in pixels; at least 1.
    pub longest_edge: u32,
}

/// Image preprocessing settings. Field names are those of `preprocessor_config.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PixelConfig {
    /// Whether large images are split into tiles; true if absent in the file.
    pub do_image_splitting: bool,
    /// Length of the longer side after the first resize, in pixels.
    pub size: LongestEdge,
    /// Side of a square tile, in pixels.
    pub max_image_size: LongestEdge,
    /// Resampling filter; Lanczos if absent in the file.
    pub resample: Resample,
    /// How bytes become inputs; mean and standard deviation are 0.5 if absent in the file.
    #[serde(flatten)]
    pub values: PixelValues,
}

impl PixelConfig {
    /// Reads the settings from the object of `preprocessor_config.json`, or from `image_processor` of
    /// `processor_config.json`. Absent fields take the defaults of transformers.
    ///
    /// # Errors
    /// When a field is missing without a default, is malformed, or has an unsupported value, or a tile is so small that
    /// an image would have more than 32 tiles along a side.
    pub fn from_json(value: &Value) -> Result<Self, SettingError> {
        // `do_pad` is ignored: padding batches images of different sizes, but here all tiles have one size.
        only_true(value, &["do_resize"])?;
        let config = Self {
            do_image_splitting: flag(value, "do_image_splitting")?,
            size: longest_edge(value, "size", "size.longest_edge", LARGEST_SIZE)?,
            max_image_size: longest_edge(value, "max_image_size", "max_image_size.longest_edge", LONGEST_SIDE)?,
            resample: resample(value, Resample::Lanczos)?,
            values: PixelValues::from_json(value, [0.5; 3], [0.5; 3])?,
        };
        let (longest, side) = (config.size.longest_edge.min(LONGEST_SIDE), config.max_image_size.longest_edge);
        if longest.div_ceil(side) > TILES_A_SIDE {
            let problem = format!("{side} cuts {longest} pixels into more than {TILES_A_SIDE} tiles");
            return Err(wrong("max_image_size.longest_edge", problem));
        }
        Ok(config)
    }
}

fn longest_edge(
    value: &Value,
    field: &'static str,
    name: &'static str,
    most: u32,
) -> Result<LongestEdge, SettingError> {
    let length = value.get(field).and_then(|field| field.get("longest_edge"));
    let length = length.ok_or_else(|| wrong(name, "is missing: a number of pixels is expected".to_owned()))?;
    match length.as_u64().and_then(|length| u32::try_from(length).ok()) {
        Some(longest_edge) if (1..=most).contains(&longest_edge) => Ok(LongestEdge { longest_edge }),
        _ => Err(wrong(name, format!("is {length}: a whole number of pixels from 1 to {most} is expected"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(field: &str, stated: Value) -> Result<PixelConfig, SettingError> {
        let mut value = json!({ "size": { "longest_edge": 2048 }, "max_image_size": { "longest_edge": 512 } });
        value[field] = stated;
        PixelConfig::from_json(&value)
    }

    #[test]
    fn absent_fields_have_the_defaults_of_transformers() {
        let config = with("do_pad", json!(true)).expect("valid");
        assert_eq!((config.resample, config.values.rescale_factor), (Resample::Lanczos, 1.0 / 255.0));
        assert_eq!((config.values.image_mean, config.values.image_std), ([0.5; 3], [0.5; 3]));
        assert!(config.do_image_splitting);
    }

    #[test]
    fn every_error_names_its_field() {
        let edge = |length: Value| json!({ "longest_edge": length });
        let cases = [
            ("resample", json!(0), "resample: is 0"),
            ("resample", json!("lanczos"), "resample: is \"lanczos\""),
            ("do_resize", json!(false), "do_resize: is false"),
            ("do_image_splitting", json!(1), "do_image_splitting: is 1"),
            ("image_std", json!([0.5, 0.0, 0.5]), "image_std: is [0.5,0.0,0.5]"),
            ("image_mean", json!([0.5]), "image_mean: is [0.5]"),
            ("rescale_factor", json!(0.5), "rescale_factor: is 0.5"),
            ("size", json!({ "height": 3, "width": 3 }), "size.longest_edge: is missing"),
            ("size", edge(json!(0)), "size.longest_edge: is 0"),
            ("size", edge(json!(u64::MAX)), "size.longest_edge: is 18446744073709551615"),
            ("size", edge(json!(2048.5)), "size.longest_edge: is 2048.5"),
            ("max_image_size", edge(json!(5000)), "max_image_size.longest_edge: is 5000"),
            (
                "max_image_size",
                edge(json!(1)),
                "max_image_size.longest_edge: 1 cuts 2048 pixels into more than 32 tiles",
            ),
        ];
        for (field, stated, expected) in cases {
            let error = with(field, stated).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(with("size", edge(json!(9000))).is_ok(), "the original limits it to 4096 itself");
    }
}
