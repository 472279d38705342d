//! Image preprocessing of LLaVA-1.5: one square of fixed size. CLIP's processor scales the shorter side and cuts the middle
//! out, SigLIP's scales both sides.

use std::sync::Arc;

use image::RgbImage;
use image::imageops::crop_imm;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::facts::ProcessorSettingError;
use crate::images::grid::{ImageGrid, PixelError, Tiles, push_planes};
use crate::images::processor::{ImageOptions, ImageProcessor};
use crate::images::resize::{Resample, resize};
use crate::images::settings::{LARGEST_SIDE, SettingError, only_true, resample, square, stated, wrong};
use crate::images::shared::{IMAGE_SIZE, PATCH_SIZE, SharedSetting};
use crate::images::values::{CLIP_MEAN, CLIP_STD, PixelValues};

/// Placeholder of an image, and token that stands for one feature.
pub(in super::super) const IMAGE: &str = "<image>";

/// Most pixels of an image whose shorter side is scaled to the side of the square, before the middle is cut out. transformers
/// has no bound, and an image of one row would fill the memory.
const MOST_PIXELS: u32 = 1 << 28;

/// Image preprocessing settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Settings {
    /// Side of the square in pixels.
    side: u32,
    /// Whether the shorter side is scaled to `side` and the middle cut out; else both sides are scaled.
    center_crop: bool,
    /// Side of a patch in pixels.
    patch_size: u32,
    resample: Resample,
    #[serde(flatten)]
    values: PixelValues,
}

#[derive(Debug)]
struct Processor {
    settings: Settings,
}

/// Reads the image preprocessing settings, and the patch size of `processor_config.json`.
///
/// # Errors
/// When a field is missing, malformed or not supported.
pub(super) fn read(
    settings: &Value,
    processor: Option<&Value>,
) -> Result<Arc<dyn ImageProcessor>, ProcessorSettingError> {
    let patch_size = patch_size(processor)?;
    Ok(Arc::new(Processor { settings: Settings::from_json(settings, patch_size)? }))
}

/// Returns the side of a patch in pixels that `processor_config.json` states, and checks that it counts the class token as
/// the image encoder does.
///
/// # Errors
/// When the patch size is missing or malformed, or the number of additional tokens does not fit the strategy.
pub(in super::super) fn patch_size(processor: Option<&Value>) -> Result<u32, ProcessorSettingError> {
    let field = |name: &str| processor.and_then(|processor| processor.get(name)).filter(|stated| !stated.is_null());
    let patch = field("patch_size").and_then(Value::as_u64).filter(|patch| (1..=LARGEST_SIDE).contains(patch));
    let Some(patch) = patch else {
        let stated = field("patch_size").map_or("missing".to_owned(), Value::to_string);
        return Err(ProcessorSettingError::Processor(format!(
            "patch_size: is {stated}: the side of a patch of the image encoder is expected"
        )));
    };
    // The numbers of tokens that both settings give are equal if they agree: one token more, and the first one dropped.
    let more = field("num_additional_image_tokens").and_then(Value::as_u64).unwrap_or(0);
    let strategy = field("vision_feature_select_strategy").and_then(Value::as_str).unwrap_or("default");
    if more != u64::from(strategy == "default") {
        return Err(ProcessorSettingError::Processor(format!(
            "num_additional_image_tokens: is {more} with vision_feature_select_strategy {strategy:?}: 1 with \"default\" and \
             0 with \"full\" are supported"
        )));
    }
    Ok(patch as u32)
}

impl Settings {
    fn from_json(value: &Value, patch_size: u32) -> Result<Self, SettingError> {
        only_true(value, &["do_resize"])?;
        let class = stated(value, "image_processor_type").and_then(Value::as_str).unwrap_or_default();
        let is_siglip = class.starts_with("Siglip");
        // `LlavaImageProcessor` is CLIP's processor, and can also pad images to squares first.
        let pads = stated(value, "do_pad").is_some_and(|pad| *pad != Value::Bool(false));
        if class.starts_with("Llava") && pads {
            return Err(wrong("do_pad", "only false is supported".to_owned()));
        }
        let crop = stated(value, "do_center_crop").map_or(Some(!is_siglip), Value::as_bool);
        let center_crop = crop.ok_or_else(|| wrong("do_center_crop", "true or false is expected".to_owned()))?;
        let side = match center_crop {
            true => {
                let side = square(value, "crop_size")?;
                let scaled = stated(value, "size").and_then(|size| size.get("shortest_edge")).and_then(Value::as_u64);
                if scaled != Some(u64::from(side)) {
                    return Err(wrong("size.shortest_edge", format!("must be the side of crop_size, {side}")));
                }
                side
            }
            false => square(value, "size")?,
        };
        let (mean, std) = if is_siglip { ([0.5; 3], [0.5; 3]) } else { (CLIP_MEAN, CLIP_STD) };
        Ok(Self {
            side,
            center_crop,
            patch_size,
            resample: resample(value, Resample::Bicubic)?,
            values: PixelValues::from_json(value, mean, std)?,
        })
    }

    /// The square that the image encoder takes.
    fn square(&self, picture: &RgbImage) -> RgbImage {
        let (side, filter) = (self.side, self.resample);
        if !self.center_crop {
            return resize(picture, side, side, filter);
        }
        let (width, height) = picture.dimensions();
        let longer = |long: u32, short: u32| (u64::from(side) * u64::from(long) / u64::from(short)) as u32;
        let (width, height) = match width <= height {
            true => (side, longer(height, width)),
            false => (longer(width, height), side),
        };
        let resized = resize(picture, width, height, filter);
        crop_imm(&resized, (width - side) / 2, (height - side) / 2, side, side).to_image()
    }
}

impl ImageProcessor for Processor {
    fn grid(&self, _: u32, _: u32, _: &ImageOptions) -> ImageGrid {
        ImageGrid::whole(self.settings.side as usize, self.settings.side as usize)
    }

    fn tiles(&self, picture: &RgbImage, options: &ImageOptions) -> Result<Tiles, PixelError> {
        PixelError::of(picture)?;
        if self.settings.center_crop {
            PixelError::of_ratio(picture, MOST_PIXELS / self.settings.side.pow(2))?;
        }
        let grid = self.grid(picture.width(), picture.height(), options);
        let mut bytes = Vec::with_capacity(grid.values());
        push_planes(&mut bytes, &self.settings.square(picture), [0; 2], [grid.height, grid.width]);
        Ok(Tiles { grid, bytes })
    }

    fn values(&self) -> &PixelValues {
        &self.settings.values
    }

    fn feature_grid(&self, _: ImageGrid) -> [usize; 2] {
        [(self.settings.side / self.settings.patch_size) as usize; 2]
    }

    fn placeholder(&self) -> &'static str {
        IMAGE
    }

    fn shared_settings(&self) -> Vec<SharedSetting> {
        let Settings { side, center_crop, patch_size, .. } = self.settings;
        vec![
            SharedSetting::of_images(if center_crop { "crop_size" } else { "size" }, side, IMAGE_SIZE),
            SharedSetting::of_processor("patch_size", patch_size, PATCH_SIZE),
        ]
    }

    fn settings(&self, _: &ImageOptions) -> Map<String, Value> {
        Map::from_iter([("pixels".to_owned(), json!(self.settings))])
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn clip() -> Value {
        json!({ "crop_size": { "height": 4, "width": 4 }, "size": { "shortest_edge": 4 }, "do_center_crop": true })
    }

    #[test]
    fn the_middle_of_a_long_image_is_taken() {
        let settings = Settings::from_json(&clip(), 2).expect("valid");
        let picture = RgbImage::from_fn(4, 12, |_, y| Rgb([y as u8 * 20; 3]));
        let rows: Vec<u8> = (0..4).map(|y| settings.square(&picture).get_pixel(0, y).0[0]).collect();
        assert_eq!(rows, [80, 100, 120, 140]);
    }

    #[test]
    fn long_images_are_accepted_as_far_as_memory_allows() {
        let processor = |side: u32| {
            let value = json!({ "crop_size": side, "size": { "shortest_edge": side } });
            Processor { settings: Settings::from_json(&value, 2).expect("valid") }
        };
        let long = RgbImage::new(1, 1000);
        let tiles = processor(4).tiles(&long, &ImageOptions::default()).expect("tiles");
        assert_eq!(tiles.bytes.len(), 3 * 4 * 4);
        let error = processor(1024).tiles(&long, &ImageOptions::default()).expect_err("refused").to_string();
        assert!(error.contains("at most 256 times"), "{error}");
    }

    #[test]
    fn folders_that_do_not_say_the_number_of_tokens_are_refused() {
        let missing = read(&clip(), Some(&json!({ "num_additional_image_tokens": 1 })));
        assert!(
            matches!(missing, Err(ProcessorSettingError::Processor(problem)) if problem.starts_with("patch_size: is missing"))
        );
        let apart = read(&clip(), Some(&json!({ "patch_size": 2 })));
        assert!(matches!(apart, Err(ProcessorSettingError::Processor(problem)) if problem.contains("is 0 with")));
        let mut padded = clip();
        (padded["do_pad"], padded["image_processor_type"]) = (true.into(), "LlavaImageProcessor".into());
        assert!(matches!(Settings::from_json(&padded, 2), Err(error) if error.field == "do_pad"));
        let other = json!({ "crop_size": 4, "size": { "shortest_edge": 5 } });
        assert!(matches!(Settings::from_json(&other, 2), Err(error) if error.field == "size.shortest_edge"));
    }
}
