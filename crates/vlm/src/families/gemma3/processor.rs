//! Image preprocessing of Gemma 3: the whole image as one square of fixed size, and its place in the text.

use std::sync::Arc;

use image::RgbImage;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::facts::ProcessorSettingError;
use crate::images::grid::{ImageGrid, PixelError, Tiles, push_planes};
use crate::images::processor::{Expansion, ImageOptions, ImageProcessor};
use crate::images::resize::{Resample, resize};
use crate::images::settings::{SettingError, only_true, resample, square, stated, wrong};
use crate::images::values::PixelValues;

/// Placeholder of an image, and token before its features.
pub(super) const START: &str = "<start_of_image>";
/// Token that stands for one feature.
pub(super) const FEATURE: &str = "<image_soft_token>";
/// Token after the features of an image.
pub(super) const END: &str = "<end_of_image>";
/// Token that ends a turn.
pub(super) const TURN_END: &str = "<end_of_turn>";

/// Most features of an image.
const MOST_FEATURES: u64 = 65_536;

/// Returns whether Gemma 3 uses the token to structure turns and images, even if it is not marked as special.
pub(super) fn is_structural(token: &str) -> bool {
    [START, FEATURE, END, "<start_of_turn>", TURN_END].contains(&token)
}

/// Image preprocessing settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Settings {
    /// Side of the square in pixels.
    side: u32,
    resample: Resample,
    #[serde(flatten)]
    values: PixelValues,
}

#[derive(Debug)]
struct Processor {
    settings: Settings,
    /// Square root of the number of features of an image.
    features_per_side: usize,
}

/// Reads the image preprocessing settings, and the number of image tokens of `processor_config.json`.
///
/// # Errors
/// When a field is malformed or not supported.
pub(super) fn read(
    settings: &Value,
    processor: Option<&Value>,
) -> Result<Arc<dyn ImageProcessor>, ProcessorSettingError> {
    let stated = processor.and_then(|processor| stated(processor, "image_seq_length"));
    let count = stated.or_else(|| settings.get("image_seq_length").filter(|count| !count.is_null()));
    let square = |count: u64| Some(count.isqrt()).filter(|side| side * side == count);
    let side = count.map_or(Some(256), Value::as_u64).filter(|count| (1..=MOST_FEATURES).contains(count));
    match side.and_then(square) {
        Some(side) => {
            let settings = Settings::from_json(settings)?;
            Ok(Arc::new(Processor { settings, features_per_side: side as usize }))
        }
        None => Err(ProcessorSettingError::Processor(format!(
            "image_seq_length: is {}: the square number of image tokens is expected, up to {MOST_FEATURES}",
            count.map_or("missing".to_owned(), Value::to_string)
        ))),
    }
}

impl Settings {
    fn from_json(value: &Value) -> Result<Self, SettingError> {
        only_true(value, &["do_resize"])?;
        let crops = stated(value, "do_pan_and_scan");
        if let Some(crops) = crops.filter(|crops| **crops != Value::Bool(false)) {
            return Err(wrong("do_pan_and_scan", format!("is {crops}: only false is supported, images without crops")));
        }
        Ok(Self {
            side: square(value, "size")?,
            resample: resample(value, Resample::Bilinear)?,
            values: PixelValues::from_json(value, [0.5; 3], [0.5; 3])?,
        })
    }
}

impl ImageProcessor for Processor {
    fn grid(&self, _: u32, _: u32, _: &ImageOptions) -> ImageGrid {
        ImageGrid::whole(self.settings.side as usize, self.settings.side as usize)
    }

    fn tiles(&self, picture: &RgbImage, options: &ImageOptions) -> Result<Tiles, PixelError> {
        PixelError::of(picture)?;
        let grid = self.grid(picture.width(), picture.height(), options);
        let resized = resize(picture, self.settings.side, self.settings.side, self.settings.resample);
        let mut bytes = Vec::with_capacity(grid.values());
        push_planes(&mut bytes, &resized, [0; 2], [grid.height, grid.width]);
        Ok(Tiles { grid, bytes })
    }

    fn values(&self) -> &PixelValues {
        &self.settings.values
    }

    fn feature_grid(&self, _: ImageGrid) -> [usize; 2] {
        [self.features_per_side; 2]
    }

    fn placeholder(&self) -> &'static str {
        START
    }

    fn feature_token(&self) -> &'static str {
        FEATURE
    }

    /// Appends an image between blank lines. The tokenizer joins the newlines with newlines around them.
    fn expand(&self, _: ImageGrid, text: &mut Expansion) {
        text.text.push_str("\n\n");
        text.text.push_str(START);
        text.push_features(FEATURE, self.features_per_side.pow(2));
        text.text.push_str(END);
        text.text.push_str("\n\n");
    }

    fn settings(&self, _: &ImageOptions) -> Map<String, Value> {
        let tokens = self.features_per_side.pow(2);
        Map::from_iter([("pixels".to_owned(), json!(self.settings)), ("image_seq_length".to_owned(), tokens.into())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Value {
        json!({ "size": { "height": 8, "width": 8 }, "do_pan_and_scan": null })
    }

    #[test]
    fn an_image_stands_between_blank_lines() {
        let processor = read(&settings(), Some(&json!({ "image_seq_length": 4 }))).expect("valid");
        let mut text = Expansion::default();
        processor.expand(processor.grid(30, 20, &ImageOptions::default()), &mut text);
        let features = FEATURE.repeat(4);
        assert_eq!(text.text, format!("\n\n{START}{features}{END}\n\n"));
        assert_eq!((&text.text[text.runs[0].bytes.clone()], text.runs[0].features.len()), (&*features, 4));
    }

    #[test]
    fn absent_values_are_the_defaults_of_the_classes() {
        let processor = read(&settings(), None).expect("valid");
        assert_eq!(processor.feature_grid(ImageGrid::whole(8, 8)), [16; 2]);
        assert_eq!(processor.values().image_mean, [0.5; 3]);
        let own = Settings::from_json(&settings()).expect("valid");
        assert_eq!((own.side, own.resample), (8, Resample::Bilinear));
    }

    #[test]
    fn crops_and_other_numbers_of_tokens_are_refused() {
        let mut crops = settings();
        crops["do_pan_and_scan"] = true.into();
        let error = Settings::from_json(&crops).expect_err("refused").to_string();
        assert!(error.starts_with("do_pan_and_scan: is true: only false is supported"), "{error}");
        crops["do_pan_and_scan"] = false.into();
        assert!(Settings::from_json(&crops).is_ok());
        let wrong = read(&settings(), Some(&json!({ "image_seq_length": 5 })));
        assert!(
            matches!(wrong, Err(ProcessorSettingError::Processor(problem)) if problem.starts_with("image_seq_length: is 5"))
        );
    }
}
