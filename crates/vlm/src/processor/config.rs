//! Image preprocessing settings of a model folder. Absent fields take the defaults of `Idefics3ImageProcessor`.

use serde::Serialize;
use serde_json::Value;

use super::resize::Resample;

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
    /// Factor that maps a byte to 0..1: 1/255.
    pub rescale_factor: f64,
    /// Mean of each channel (R, G, B) in 0..1, subtracted in normalisation; 0.5 if absent in the file.
    pub image_mean: [f64; 3],
    /// Standard deviation of each channel (R, G, B) in 0..1, above 0, by which normalisation divides; 0.5 if absent in
    /// the file.
    pub image_std: [f64; 3],
}

/// Error of a preprocessing setting that is missing, malformed or not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// Name of the field; a dot separates a nested field from its parent.
    pub field: &'static str,
    /// Problem, and the expected value.
    pub problem: String,
}

impl PixelConfig {
    /// Reads the settings from the object of `preprocessor_config.json`, or from `image_processor` of
    /// `processor_config.json`. Absent fields take the defaults of transformers.
    ///
    /// # Errors
    /// When a field is missing without a default, is malformed, or has an unsupported value, or a tile is so small that
    /// an image would have more than 32 tiles along a side.
    pub fn from_json(value: &Value) -> Result<Self, ConfigError> {
        // `do_pad` is ignored: padding batches images of different sizes, but here all tiles have one size.
        for switch in ["do_resize", "do_rescale", "do_normalize"] {
            if !flag(value, switch)? {
                return Err(wrong(switch, "is false: only true is supported".to_owned()));
            }
        }
        let config = Self {
            do_image_splitting: flag(value, "do_image_splitting")?,
            size: longest_edge(value, "size", "size.longest_edge", LARGEST_SIZE)?,
            max_image_size: longest_edge(value, "max_image_size", "max_image_size.longest_edge", LONGEST_SIDE)?,
            resample: resample(value)?,
            rescale_factor: rescale_factor(value)?,
            image_mean: channels(value, "image_mean", |mean| mean.is_finite(), "three numbers")?,
            image_std: channels(value, "image_std", |std| std.is_finite() && std > 0.0, "three numbers above 0")?,
        };
        let (longest, side) = (config.size.longest_edge.min(LONGEST_SIDE), config.max_image_size.longest_edge);
        if longest.div_ceil(side) > TILES_A_SIDE {
            let problem = format!("{side} cuts {longest} pixels into more than {TILES_A_SIDE} tiles");
            return Err(wrong("max_image_size.longest_edge", problem));
        }
        Ok(config)
    }
}

fn wrong(field: &'static str, problem: String) -> ConfigError {
    ConfigError { field, problem }
}

/// Returns the value of a field. `null` counts as absent, as in Python.
fn stated<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}

/// Returns a switch, true by default as in the original class.
fn flag(value: &Value, field: &'static str) -> Result<bool, ConfigError> {
    let Some(stated) = stated(value, field) else { return Ok(true) };
    stated.as_bool().ok_or_else(|| wrong(field, format!("is {stated}: true or false is expected")))
}

fn longest_edge(value: &Value, field: &'static str, name: &'static str, most: u32) -> Result<LongestEdge, ConfigError> {
    let length = value.get(field).and_then(|field| field.get("longest_edge"));
    let length = length.ok_or_else(|| wrong(name, "is missing: a number of pixels is expected".to_owned()))?;
    match length.as_u64().and_then(|length| u32::try_from(length).ok()) {
        Some(longest_edge) if (1..=most).contains(&longest_edge) => Ok(LongestEdge { longest_edge }),
        _ => Err(wrong(name, format!("is {length}: a whole number of pixels from 1 to {most} is expected"))),
    }
}

fn resample(value: &Value) -> Result<Resample, ConfigError> {
    let Some(stated) = stated(value, "resample") else { return Ok(Resample::Lanczos) };
    let filter = stated.as_u64().and_then(|number| u8::try_from(number).ok()).map(Resample::try_from);
    match filter {
        Some(Ok(filter)) => Ok(filter),
        _ => Err(wrong("resample", format!("is {stated}: 1 (Lanczos), 2 (bilinear) and 3 (bicubic) are supported"))),
    }
}

/// Accepts 1/255 only: attacks and perturbations are bounded in 0..1, so pixels must lie there before normalisation.
fn rescale_factor(value: &Value) -> Result<f64, ConfigError> {
    let Some(stated) = stated(value, "rescale_factor") else { return Ok(1.0 / 255.0) };
    match stated.as_f64() {
        Some(factor) if (factor * 255.0 - 1.0).abs() < 1e-6 => Ok(factor),
        _ => Err(wrong("rescale_factor", format!("is {stated}: only 1/255 is supported"))),
    }
}

fn channels(
    value: &Value,
    field: &'static str,
    allowed: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<[f64; 3], ConfigError> {
    let Some(stated) = stated(value, field) else { return Ok([0.5; 3]) };
    let numbers: Option<Vec<f64>> = stated.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let channels = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
    channels
        .filter(|channels| channels.iter().all(|number| allowed(*number)))
        .ok_or_else(|| wrong(field, format!("is {stated}: {expected}, one per colour channel, are expected")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(field: &str, stated: Value) -> Result<PixelConfig, ConfigError> {
        let mut value = json!({ "size": { "longest_edge": 2048 }, "max_image_size": { "longest_edge": 512 } });
        value[field] = stated;
        PixelConfig::from_json(&value)
    }

    #[test]
    fn absent_fields_have_the_defaults_of_transformers() {
        let config = with("do_pad", json!(true)).expect("valid");
        assert_eq!((config.resample, config.rescale_factor), (Resample::Lanczos, 1.0 / 255.0));
        assert_eq!((config.image_mean, config.image_std), ([0.5; 3], [0.5; 3]));
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
