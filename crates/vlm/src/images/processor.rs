//! What a model family does with an image before the image encoder, and with its place in the text.

use std::fmt::Debug;
use std::ops::Range;

use image::RgbImage;
use serde_json::{Map, Value};
use stepwise_data::box_format::BoxFormat;

use super::grid::{ImageGrid, PixelError, Tiles};
use super::shared::SharedSetting;
use super::values::PixelValues;

/// Settings of a recipe that replace settings of the model folder. `None` keeps the folder's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ImageOptions {
    /// Whether large images are cut into tiles.
    pub do_image_splitting: Option<bool>,
    /// Whether crops of long images follow the whole image (pan and scan of Gemma 3).
    pub do_pan_and_scan: Option<bool>,
    /// Largest number of pixels of a resized image.
    pub max_pixels: Option<u64>,
    /// Smallest number of pixels of a resized image.
    pub min_pixels: Option<u64>,
    /// Unit of box coordinates in prompts and answers.
    pub box_format: Option<BoxFormat>,
}

impl ImageOptions {
    /// Returns the names and values of the settings that are not `None`.
    #[must_use]
    pub fn stated(&self) -> Vec<(&'static str, Value)> {
        let settings = [
            ("do_image_splitting", self.do_image_splitting.map(Value::from)),
            ("do_pan_and_scan", self.do_pan_and_scan.map(Value::from)),
            ("max_pixels", self.max_pixels.map(Value::from)),
            ("min_pixels", self.min_pixels.map(Value::from)),
            ("box_format", self.box_format.map(|format| format.name().into())),
        ];
        settings.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Reads the settings from fields of the same names, as in a `preprocessor_config.json`. Fields that are absent or of
    /// another type give `None`.
    #[must_use]
    pub fn from_json(fields: &Value) -> Self {
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool);
        let pixels = |name: &str| fields.get(name).and_then(Value::as_u64);
        Self {
            do_image_splitting: flag("do_image_splitting"),
            do_pan_and_scan: flag("do_pan_and_scan"),
            max_pixels: pixels("max_pixels"),
            min_pixels: pixels("min_pixels"),
            box_format: fields.get("box_format").and_then(Value::as_str).and_then(|name| name.parse().ok()),
        }
    }

    /// Returns these settings, and the settings of `other` in place of those that are `None`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            do_image_splitting: self.do_image_splitting.or(other.do_image_splitting),
            do_pan_and_scan: self.do_pan_and_scan.or(other.do_pan_and_scan),
            max_pixels: self.max_pixels.or(other.max_pixels),
            min_pixels: self.min_pixels.or(other.min_pixels),
            box_format: self.box_format.or(other.box_format),
        }
    }

    /// Returns the settings of images with these names, without the others, and the unit of boxes, which all families have.
    #[must_use]
    pub fn only(self, names: &[&str]) -> Self {
        Self {
            do_image_splitting: self.do_image_splitting.filter(|_| names.contains(&"do_image_splitting")),
            do_pan_and_scan: self.do_pan_and_scan.filter(|_| names.contains(&"do_pan_and_scan")),
            max_pixels: self.max_pixels.filter(|_| names.contains(&"max_pixels")),
            min_pixels: self.min_pixels.filter(|_| names.contains(&"min_pixels")),
            box_format: self.box_format,
        }
    }
}

/// Returns the recipe key of a setting that [`ImageOptions::stated`] names, `image_max_pixels` for `max_pixels`.
#[must_use]
pub fn recipe_key(setting: &str) -> String {
    if setting.ends_with("_pixels") { format!("image_{setting}") } else { setting.to_owned() }
}

/// Image preprocessing of a model family, with the settings of one model folder.
pub trait ImageProcessor: Debug + Send + Sync {
    /// Returns the tiles of an image of `width` x `height` pixels, each at least 1.
    fn grid(&self, width: u32, height: u32, options: &ImageOptions) -> ImageGrid;

    /// Resizes `picture` and cuts it into tiles.
    ///
    /// # Errors
    /// When the image has no pixels, or a shape that the family refuses.
    fn tiles(&self, picture: &RgbImage, options: &ImageOptions) -> Result<Tiles, PixelError>;

    /// Returns how bytes become inputs of the image encoder.
    fn values(&self) -> &PixelValues;

    /// Returns the numbers of rows and columns of the features of one tile.
    fn feature_grid(&self, grid: ImageGrid) -> [usize; 2];

    /// Returns the number of features that the model makes of one tile: those of [`ImageProcessor::feature_grid`], and in
    /// some families more after them.
    fn tile_features(&self, grid: ImageGrid) -> usize {
        self.feature_grid(grid).iter().product()
    }

    /// Returns the number of feature tokens that an image takes in the text.
    fn image_tokens(&self, grid: ImageGrid) -> usize {
        grid.tiles() * self.tile_features(grid)
    }

    /// Returns whether features take positions by their row and column, as in multimodal rotary positions.
    fn has_axes(&self) -> bool {
        false
    }

    /// Returns the placeholder of an image in a rendered chat template.
    fn placeholder(&self) -> &'static str;

    /// Returns the token that stands for one feature; in most families the placeholder.
    fn feature_token(&self) -> &'static str {
        self.placeholder()
    }

    /// Appends what stands in the text for an image; in most families only the feature tokens.
    fn expand(&self, grid: ImageGrid, text: &mut Expansion) {
        text.push_features(self.feature_token(), self.tile_features(grid));
    }

    /// Returns width and height of the resized image, for families whose images are not cut and keep their proportions;
    /// None for others.
    fn resized(&self, grid: ImageGrid) -> Option<[u32; 2]> {
        self.has_axes().then_some([grid.width as u32, grid.height as u32])
    }

    /// Returns the settings of the folder that `config.json` states as well.
    fn shared_settings(&self) -> Vec<SharedSetting>;

    /// Returns all settings that determine tokens and pixels, under `options`.
    fn settings(&self, options: &ImageOptions) -> Map<String, Value>;
}

/// Text of one image, with the runs of its feature tokens.
#[derive(Debug, Default)]
pub struct Expansion {
    /// Text with all image tokens.
    pub text: String,
    /// Runs of feature tokens in the order of the text.
    pub runs: Vec<FeatureRun>,
}

/// Neighbouring feature tokens that stand for neighbouring features of one tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureRun {
    /// Byte range of the tokens in the text.
    pub bytes: Range<usize>,
    /// Index of the tile in the image, from 0.
    pub tile: usize,
    /// Features of the tile, counted from 0.
    pub features: Range<usize>,
}

impl Expansion {
    /// Appends the tokens of all `count` features of the next tile, each written as `token`.
    pub fn push_features(&mut self, token: &str, count: usize) {
        self.push_run(token, self.runs.len(), 0..count);
    }

    /// Appends the tokens of the features `features` of a tile, each written as `token`; nothing for no features.
    pub fn push_run(&mut self, token: &str, tile: usize, features: Range<usize>) {
        if features.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.extend(std::iter::repeat_n(token, features.len()));
        self.runs.push(FeatureRun { bytes: start..self.text.len(), tile, features });
    }
}
