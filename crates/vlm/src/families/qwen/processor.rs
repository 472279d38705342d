//! Image preprocessing of Qwen2-VL, Qwen2.5-VL and Qwen3-VL: one image of nearly its own size, one token for each feature.

use std::sync::Arc;

use image::RgbImage;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::facts::ProcessorSettingError;
use super::config::{MERGE_SIZE, TEMPORAL_PATCH_SIZE};
use crate::images::grid::{ImageGrid, PixelError, Tiles, push_planes};
use crate::images::processor::{ImageOptions, ImageProcessor};
use crate::images::resize::{Resample, resize};
use crate::images::settings::{SettingError, only_true, resample, stated, whole, wrong};
use crate::images::shared::{PATCH_SIZE, SharedSetting};
use crate::images::values::{CLIP_MEAN, CLIP_STD, PixelValues};

/// Placeholder of an image, and token that stands for one feature.
pub(crate) const IMAGE: &str = "<|image_pad|>";
/// Token before the features of an image.
pub(crate) const START: &str = "<|vision_start|>";
/// Token after the features of an image.
pub(crate) const END: &str = "<|vision_end|>";

/// Largest accepted number of pixels of a resized image.
const MOST_PIXELS: u64 = 1 << 26;

/// Largest ratio of the sides of an image, as in `smart_resize` of transformers.
const LONGEST_RATIO: u32 = 200;

/// Returns whether the models use the token to structure turns and images, even if it is not marked as special.
pub(crate) fn is_structural(token: &str) -> bool {
    token.starts_with("<|") && token.ends_with("|>")
}

/// Image preprocessing settings. Field names are the names of `preprocessor_config.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Settings {
    min_pixels: u64,
    max_pixels: u64,
    patch_size: u64,
    merge_size: u64,
    /// Frames that a patch covers. The frames of a still image are equal, so the number changes neither tokens nor pixels.
    #[serde(skip)]
    temporal_patch_size: u64,
    resample: Resample,
    #[serde(flatten)]
    values: PixelValues,
}

#[derive(Debug)]
struct Processor {
    settings: Settings,
}

/// Reads the image preprocessing settings. Absent fields take the defaults of `Qwen2VLImageProcessor`.
///
/// # Errors
/// When a field is malformed or has an unsupported value.
pub(crate) fn read(settings: &Value, _: Option<&Value>) -> Result<Arc<dyn ImageProcessor>, ProcessorSettingError> {
    Ok(Arc::new(Processor { settings: Settings::from_json(settings)? }))
}

impl Settings {
    fn from_json(value: &Value) -> Result<Self, SettingError> {
        only_true(value, &["do_resize"])?;
        // Here `size` holds numbers of pixels in spite of the names.
        let size = stated(value, "size").cloned().unwrap_or(Value::Null);
        let pixels = |field, nested, default| -> Result<u64, SettingError> {
            let own = whole(value, field, MOST_PIXELS)?;
            Ok(own.or(whole(&size, nested, MOST_PIXELS)?).unwrap_or(default))
        };
        let settings = Self {
            min_pixels: pixels("min_pixels", "shortest_edge", 56 * 56)?,
            max_pixels: pixels("max_pixels", "longest_edge", 28 * 28 * 1280)?,
            patch_size: whole(value, "patch_size", 1 << 7)?.unwrap_or(14),
            merge_size: whole(value, "merge_size", 1 << 3)?.unwrap_or(2),
            temporal_patch_size: whole(value, "temporal_patch_size", 1 << 3)?.unwrap_or(2),
            resample: resample(value, Resample::Bicubic)?,
            values: PixelValues::from_json(value, CLIP_MEAN, CLIP_STD)?,
        };
        if settings.min_pixels > settings.max_pixels {
            let problem = format!("{} is more than max_pixels, {}", settings.min_pixels, settings.max_pixels);
            return Err(wrong("min_pixels", problem));
        }
        Ok(settings)
    }

    /// Side of the square of pixels that becomes one feature.
    fn cell(&self) -> u32 {
        (self.patch_size * self.merge_size) as u32
    }

    /// Returns height and width after resizing, multiples of a feature's side: the nearest ones, or scaled so that the
    /// number of pixels is between the limits (`smart_resize` of transformers).
    fn size(&self, height: u32, width: u32, options: &ImageOptions) -> [u32; 2] {
        let (least, most) = self.limits(options);
        let cell = f64::from(self.cell());
        let sides = [f64::from(height), f64::from(width)];
        let pixels = sides[0] * sides[1];
        // Python rounds halves to even numbers.
        let nearest = sides.map(|side| (side / cell).round_ties_even() * cell);
        let area = nearest[0] * nearest[1];
        let fitted = if area > most {
            let shrink = (pixels / most).sqrt();
            sides.map(|side| ((side / shrink / cell).floor() * cell).max(cell))
        } else if area < least {
            let grow = (least / pixels).sqrt();
            sides.map(|side| (side * grow / cell).ceil() * cell)
        } else {
            nearest
        };
        fitted.map(|side| side as u32)
    }

    /// Smallest and largest number of pixels. The larger limit gives way where options contradict the folder.
    fn limits(&self, options: &ImageOptions) -> (f64, f64) {
        let most = options.max_pixels.unwrap_or(self.max_pixels);
        let least = options.min_pixels.unwrap_or(self.min_pixels).min(most);
        (least as f64, most as f64)
    }
}

impl ImageProcessor for Processor {
    fn grid(&self, width: u32, height: u32, options: &ImageOptions) -> ImageGrid {
        let [height, width] = self.settings.size(height.max(1), width.max(1), options);
        ImageGrid::whole(height as usize, width as usize)
    }

    fn tiles(&self, picture: &RgbImage, options: &ImageOptions) -> Result<Tiles, PixelError> {
        PixelError::of(picture)?;
        PixelError::of_ratio(picture, LONGEST_RATIO)?;
        let (width, height) = picture.dimensions();
        let grid = self.grid(width, height, options);
        let resized = resize(picture, grid.width as u32, grid.height as u32, self.settings.resample);
        let mut bytes = Vec::with_capacity(grid.values());
        push_planes(&mut bytes, &resized, [0; 2], [grid.height, grid.width]);
        Ok(Tiles { grid, bytes })
    }

    fn values(&self) -> &PixelValues {
        &self.settings.values
    }

    fn feature_grid(&self, grid: ImageGrid) -> [usize; 2] {
        [grid.height, grid.width].map(|side| side / self.settings.cell() as usize)
    }

    fn has_axes(&self) -> bool {
        true
    }

    fn placeholder(&self) -> &'static str {
        IMAGE
    }

    fn shared_settings(&self) -> Vec<SharedSetting> {
        let Settings { patch_size, merge_size, temporal_patch_size, .. } = self.settings;
        vec![
            SharedSetting::of_images("patch_size", patch_size, PATCH_SIZE),
            SharedSetting::of_images("merge_size", merge_size, MERGE_SIZE),
            SharedSetting::of_images("temporal_patch_size", temporal_patch_size, TEMPORAL_PATCH_SIZE),
        ]
    }

    fn settings(&self, options: &ImageOptions) -> Map<String, Value> {
        let mut settings = self.settings.clone();
        settings.max_pixels = options.max_pixels.unwrap_or(settings.max_pixels);
        settings.min_pixels = options.min_pixels.unwrap_or(settings.min_pixels);
        Map::from_iter([("pixels".to_owned(), json!(settings))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(value: Value) -> Settings {
        Settings::from_json(&value).expect("valid")
    }

    #[test]
    fn sizes_equal_smart_resize() {
        let real = settings(json!({ "min_pixels": 3136, "max_pixels": 12_845_056 }));
        let none = ImageOptions::default();
        // Computed with `smart_resize` of transformers 5.24.
        for ((height, width), expected) in
            [((100, 100), [112, 112]), ((42, 70), [56, 56]), ((14, 14), [56, 56]), ((1000, 30), [1008, 28])]
        {
            assert_eq!(real.size(height, width, &none), expected, "{height} x {width}");
        }
        let few = ImageOptions { max_pixels: Some(28 * 28 * 6), ..none };
        assert_eq!(real.size(500, 300, &few), [84, 28]);
        // Fewer pixels than the folder's least number: the option decides.
        let fewer = ImageOptions { max_pixels: Some(28 * 28 * 2), ..none };
        assert_eq!((real.size(28, 56, &fewer), real.size(500, 500, &fewer)), ([28, 56], [28, 28]));
    }

    /// Settings of a hostile folder must not make an image that fills the memory.
    #[test]
    fn sizes_are_bounded() {
        for (field, most) in [("patch_size", 128), ("merge_size", 8), ("max_pixels", MOST_PIXELS)] {
            assert!(Settings::from_json(&json!({ field: most })).is_ok(), "{field}");
            assert!(Settings::from_json(&json!({ field: most + 1 })).is_err(), "{field}");
        }
    }

    #[test]
    fn numbers_of_pixels_stand_in_two_places() {
        let older = settings(json!({ "min_pixels": 4000, "max_pixels": 5000 }));
        let newer = settings(json!({ "size": { "shortest_edge": 4000, "longest_edge": 5000 } }));
        assert_eq!(older, newer);
        assert_eq!((older.patch_size, older.merge_size, older.resample), (14, 2, Resample::Bicubic));
        let wrong = Settings::from_json(&json!({ "min_pixels": 9, "max_pixels": 8 })).expect_err("refused");
        assert_eq!(wrong.to_string(), "min_pixels: 9 is more than max_pixels, 8");
    }

    #[test]
    fn lines_are_refused() {
        let processor = read(&json!({}), None).expect("defaults");
        let error = processor.tiles(&RgbImage::new(201, 1), &ImageOptions::default()).expect_err("refused");
        assert!(error.to_string().contains("at most 200 times"), "{error}");
    }
}
