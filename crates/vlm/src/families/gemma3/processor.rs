//! Image preprocessing of Gemma 3: the whole image as one square of fixed size, with pan and scan also crops of a long image
//! as squares of this size, and their places in the text.

use std::sync::Arc;

use image::RgbImage;
use image::imageops::crop_imm;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::facts::ProcessorSettingError;
use super::config::MM_TOKENS;
use super::pan_and_scan::PanAndScan;
use crate::images::grid::{ImageGrid, PixelError, Tiles, push_planes};
use crate::images::processor::{Expansion, ImageOptions, ImageProcessor};
use crate::images::resize::{Resample, resize};
use crate::images::settings::{SettingError, only_true, resample, square, stated};
use crate::images::shared::{IMAGE_SIZE, SettingsFile, SharedSetting};
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
    /// Crops of long images, and whether the folder uses them.
    crops: PanAndScan,
    do_pan_and_scan: bool,
    /// Square root of the number of features of an image.
    features_per_side: usize,
    /// File that states the number of features.
    file: SettingsFile,
}

/// Reads the image preprocessing settings, and the number of image tokens of `processor_config.json`.
///
/// # Errors
/// When a field is malformed or not supported.
pub(super) fn read(
    settings: &Value,
    processor: Option<&Value>,
) -> Result<Arc<dyn ImageProcessor>, ProcessorSettingError> {
    let of_processor = processor.and_then(|processor| stated(processor, "image_seq_length"));
    let of_images = stated(settings, "image_seq_length").filter(|_| of_processor.is_none());
    let file = if of_images.is_some() { SettingsFile::Images } else { SettingsFile::Processor };
    let count = of_processor.or(of_images);
    let square = |count: u64| Some(count.isqrt()).filter(|side| side * side == count);
    let side = count.map_or(Some(256), Value::as_u64).filter(|count| (1..=MOST_FEATURES).contains(count));
    match side.and_then(square) {
        Some(side) => {
            let (do_pan_and_scan, crops) = (PanAndScan::is_on(settings)?, PanAndScan::from_json(settings)?);
            let settings = Settings::from_json(settings)?;
            Ok(Arc::new(Processor { settings, crops, do_pan_and_scan, features_per_side: side as usize, file }))
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
        Ok(Self {
            side: square(value, "size")?,
            resample: resample(value, Resample::Bilinear)?,
            values: PixelValues::from_json(value, [0.5; 3], [0.5; 3])?,
        })
    }
}

impl Processor {
    /// Returns the crops of long images; None if images are shown without crops.
    fn crops(&self, options: &ImageOptions) -> Option<&PanAndScan> {
        options.do_pan_and_scan.unwrap_or(self.do_pan_and_scan).then_some(&self.crops)
    }

    /// Appends one square image between blank lines. The tokenizer joins the newlines with newlines around them.
    fn push_square(&self, tile: usize, text: &mut Expansion) {
        text.text.push_str("\n\n");
        text.text.push_str(START);
        text.push_run(FEATURE, tile, 0..self.features_per_side.pow(2));
        text.text.push_str(END);
        text.text.push_str("\n\n");
    }
}

impl ImageProcessor for Processor {
    fn grid(&self, width: u32, height: u32, options: &ImageOptions) -> ImageGrid {
        let whole = ImageGrid::whole(self.settings.side as usize, self.settings.side as usize);
        let [rows, columns] = self.crops(options).map_or([0; 2], |crops| crops.rows_and_columns(width, height));
        ImageGrid { rows: rows as usize, columns: columns as usize, ..whole }
    }

    /// Crops are cut from the image before it is resized.
    fn tiles(&self, picture: &RgbImage, options: &ImageOptions) -> Result<Tiles, PixelError> {
        PixelError::of(picture)?;
        let Settings { side, resample, .. } = self.settings;
        let (width, height) = picture.dimensions();
        let grid = self.grid(width, height, options);
        let mut bytes = Vec::with_capacity(grid.values());
        let mut push = |image: &RgbImage| {
            let resized = resize(image, side, side, resample);
            push_planes(&mut bytes, &resized, [0; 2], [grid.height, grid.width]);
        };
        if grid.rows > 0 {
            // The last crop of a row or column may be smaller.
            let (crop_width, crop_height) = (width.div_ceil(grid.columns as u32), height.div_ceil(grid.rows as u32));
            for top in (0..height).step_by(crop_height as usize) {
                for left in (0..width).step_by(crop_width as usize) {
                    let size = [crop_width.min(width - left), crop_height.min(height - top)];
                    push(&crop_imm(picture, left, top, size[0], size[1]).to_image());
                }
            }
        }
        push(picture);
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

    /// Appends the whole image, and its crops after a sentence, as `Gemma3Processor` of transformers does.
    fn expand(&self, grid: ImageGrid, text: &mut Expansion) {
        let crops = grid.tiles() - 1;
        if crops == 0 {
            return self.push_square(0, text);
        }
        text.text.push_str("Here is the original image ");
        self.push_square(crops, text);
        text.text.push_str(" and here are some crops to help you see better ");
        for crop in 0..crops {
            if crop > 0 {
                text.text.push(' ');
            }
            self.push_square(crop, text);
        }
    }

    fn shared_settings(&self) -> Vec<SharedSetting> {
        let tokens = self.features_per_side.pow(2).into();
        vec![
            SharedSetting::of_images("size", self.settings.side, IMAGE_SIZE),
            SharedSetting { file: self.file, key: "image_seq_length", value: tokens, in_config: MM_TOKENS },
        ]
    }

    fn settings(&self, options: &ImageOptions) -> Map<String, Value> {
        let (mut pixels, tokens) = (json!(self.settings), self.features_per_side.pow(2));
        if let (Some(crops), Some(pixels)) = (self.crops(options), pixels.as_object_mut()) {
            pixels.insert("do_pan_and_scan".to_owned(), true.into());
            pixels.insert("pan_and_scan".to_owned(), json!(crops));
        }
        Map::from_iter([("pixels".to_owned(), pixels), ("image_seq_length".to_owned(), tokens.into())])
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
    fn another_number_of_tokens_is_refused() {
        let wrong = read(&settings(), Some(&json!({ "image_seq_length": 5 })));
        assert!(
            matches!(wrong, Err(ProcessorSettingError::Processor(problem)) if problem.starts_with("image_seq_length: is 5"))
        );
    }

    const CROPS: ImageOptions = ImageOptions {
        do_image_splitting: None,
        do_pan_and_scan: Some(true),
        max_pixels: None,
        min_pixels: None,
        box_format: None,
    };

    fn with_crops() -> Arc<dyn ImageProcessor> {
        let mut stated = settings();
        stated["pan_and_scan_min_crop_size"] = 4.into();
        read(&stated, Some(&json!({ "image_seq_length": 4 }))).expect("valid")
    }

    #[test]
    fn crops_stand_after_the_whole_image() {
        let mut text = Expansion::default();
        let processor = with_crops();
        processor.expand(processor.grid(24, 10, &CROPS), &mut text);
        let square = format!("\n\n{START}{}{END}\n\n", FEATURE.repeat(4));
        let crops = format!("{square} {square}");
        let sentence = "and here are some crops to help you see better";
        assert_eq!(text.text, format!("Here is the original image {square} {sentence} {crops}"));
        let tiles: Vec<usize> = text.runs.iter().map(|run| run.tile).collect();
        assert_eq!(tiles, [2, 0, 1]);
    }

    /// The image is 9 pixels wide, so the crops are 3, 3 and 3 wide; with 10 pixels they are 4, 4 and 2.
    #[test]
    fn crops_are_parts_of_the_image() {
        let mut stated = settings();
        stated["size"] = json!({ "height": 1, "width": 1 });
        (stated["pan_and_scan_min_crop_size"], stated["pan_and_scan_max_num_crops"]) = (3.into(), 3.into());
        let processor = read(&stated, None).expect("valid");
        for (width, upright) in [(9, false), (10, false), (10, true)] {
            let picture = match upright {
                false => RgbImage::from_fn(width, 3, |x, _| image::Rgb([(x / width.div_ceil(3) * 50) as u8; 3])),
                true => RgbImage::from_fn(3, width, |_, y| image::Rgb([(y / width.div_ceil(3) * 50) as u8; 3])),
            };
            let tiles = processor.tiles(&picture, &CROPS).expect("tiles");
            let grid = [tiles.grid.rows, tiles.grid.columns];
            assert_eq!(grid, if upright { [3, 1] } else { [1, 3] });
            assert_eq!(tiles.bytes[..9], [0, 0, 0, 50, 50, 50, 100, 100, 100], "{width}");
        }
    }

    #[test]
    fn settings_tell_crops_apart_and_equal_the_earlier_ones_without() {
        let processor = with_crops();
        let (off, on) = (processor.settings(&ImageOptions::default()), processor.settings(&CROPS));
        assert_ne!(off, on);
        assert!(off["pixels"].get("pan_and_scan").is_none());
        assert_eq!(on["pixels"]["pan_and_scan"]["pan_and_scan_min_crop_size"], 4);
        let mut stated = settings();
        (stated["do_pan_and_scan"], stated["pan_and_scan_min_crop_size"]) = (true.into(), 4.into());
        let of_folder = read(&stated, Some(&json!({ "image_seq_length": 4 }))).expect("valid");
        assert_eq!(of_folder.settings(&ImageOptions::default()), on);
        assert_eq!(of_folder.settings(&ImageOptions { do_pan_and_scan: Some(false), ..CROPS }), off);
    }
}
