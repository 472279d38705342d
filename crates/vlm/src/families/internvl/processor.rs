//! Image preprocessing of InternVL3: square tiles of the image, resized to the grid that fits its aspect ratio best, and the
//! whole image as the last tile.

use std::sync::Arc;

use image::RgbImage;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::facts::ProcessorSettingError;
use super::config::TILE_FEATURES;
use crate::images::grid::{ImageGrid, PixelError, Tiles, push_planes};
use crate::images::processor::{Expansion, ImageOptions, ImageProcessor};
use crate::images::resize::{Resample, resize};
use crate::images::settings::{SettingError, flag, only_true, resample, square, stated, whole, wrong};
use crate::images::shared::{IMAGE_SIZE, SharedSetting};
use crate::images::values::{CLIP_MEAN, CLIP_STD, PixelValues};

/// Placeholder of an image, and token that stands for one feature.
pub(super) const FEATURE: &str = "<IMG_CONTEXT>";
/// Token before the features of an image.
pub(super) const START: &str = "<img>";
/// Token after the features of an image.
pub(super) const END: &str = "</img>";

/// Most tiles of an image that a folder may state.
const MOST_TILES: u64 = 256;
/// Most features of a tile.
const MOST_FEATURES: u64 = 65_536;

/// Returns whether InternVL3 uses the token to structure turns and images, even if it is not marked as special.
pub(super) fn is_structural(token: &str) -> bool {
    [FEATURE, START, END, "<video>"].contains(&token) || (token.starts_with("<|") && token.ends_with("|>"))
}

/// Image preprocessing settings. Field names are the names of `preprocessor_config.json`, apart from `side`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Settings {
    /// Side of a tile in pixels.
    side: u32,
    /// Whether images are cut into tiles. transformers calls this `crop_to_patches`.
    do_image_splitting: bool,
    min_patches: u32,
    max_patches: u32,
    resample: Resample,
    #[serde(flatten)]
    values: PixelValues,
}

#[derive(Debug)]
struct Processor {
    settings: Settings,
    /// Number of features of a tile.
    image_seq_length: usize,
}

/// Reads the image preprocessing settings, and the number of image tokens of a tile in `processor_config.json`.
///
/// # Errors
/// When a field is missing, malformed or not supported.
pub(super) fn read(
    settings: &Value,
    processor: Option<&Value>,
) -> Result<Arc<dyn ImageProcessor>, ProcessorSettingError> {
    let stated = processor.and_then(|processor| stated(processor, "image_seq_length"));
    let count = stated.map_or(Some(256), Value::as_u64).filter(|count| (1..=MOST_FEATURES).contains(count));
    let Some(count) = count else {
        let found = stated.map_or_else(String::new, Value::to_string);
        let expected = format!("the number of image tokens per tile, 1 to {MOST_FEATURES}, is expected");
        return Err(ProcessorSettingError::Processor(format!("image_seq_length: is {found}: {expected}")));
    };
    Ok(Arc::new(Processor { settings: Settings::from_json(settings)?, image_seq_length: count as usize }))
}

impl Settings {
    fn from_json(value: &Value) -> Result<Self, SettingError> {
        only_true(value, &["do_resize"])?;
        let settings = Self {
            side: square(value, "size")?,
            // `crop_to_patches` of the file has no effect: `InternVLProcessor` replaces it by true.
            do_image_splitting: flag(value, "do_image_splitting")?,
            min_patches: whole(value, "min_patches", MOST_TILES)?.unwrap_or(1) as u32,
            max_patches: whole(value, "max_patches", MOST_TILES)?.unwrap_or(12) as u32,
            resample: resample(value, Resample::Bicubic)?,
            values: PixelValues::from_json(value, CLIP_MEAN, CLIP_STD)?,
        };
        if settings.min_patches > settings.max_patches {
            let problem = format!("{} is more than max_patches, {}", settings.min_patches, settings.max_patches);
            return Err(wrong("min_patches", problem));
        }
        Ok(settings)
    }

    /// Returns rows and columns of the tiles of an image: the grid whose aspect ratio is nearest to the image's. Of grids
    /// with one ratio, it is the one with most tiles that covers less than twice the pixels of the image
    /// (`get_optimal_tiled_canvas` of transformers).
    fn rows_and_columns(&self, width: u32, height: u32) -> [u32; 2] {
        let (most, ratio) = (self.max_patches, f64::from(width) / f64::from(height));
        let area = f64::from(width) * f64::from(height);
        let mut grids: Vec<[u32; 2]> = (1..=most)
            .flat_map(|columns| (1..=most / columns).map(move |rows| [rows, columns]))
            .filter(|[rows, columns]| rows * columns >= self.min_patches)
            .collect();
        grids.sort_by_key(|[rows, columns]| rows * columns);
        let (mut best, mut nearest) = ([1, 1], f64::INFINITY);
        for [rows, columns] in grids {
            let apart = (ratio - f64::from(columns) / f64::from(rows)).abs();
            let covered = f64::from(self.side).powi(2) * f64::from(rows * columns);
            if apart < nearest || (apart == nearest && area > 0.5 * covered) {
                (best, nearest) = ([rows, columns], apart);
            }
        }
        best
    }
}

impl ImageProcessor for Processor {
    fn grid(&self, width: u32, height: u32, options: &ImageOptions) -> ImageGrid {
        let side = self.settings.side as usize;
        let whole = ImageGrid::whole(side, side);
        if !options.do_image_splitting.unwrap_or(self.settings.do_image_splitting) {
            return whole;
        }
        match self.settings.rows_and_columns(width, height) {
            [1, 1] => whole,
            [rows, columns] => ImageGrid { rows: rows as usize, columns: columns as usize, ..whole },
        }
    }

    fn tiles(&self, picture: &RgbImage, options: &ImageOptions) -> Result<Tiles, PixelError> {
        PixelError::of(picture)?;
        let Settings { side, resample, .. } = self.settings;
        let grid = self.grid(picture.width(), picture.height(), options);
        let mut bytes = Vec::with_capacity(grid.values());
        if grid.rows > 0 {
            let large = resize(picture, grid.columns as u32 * side, grid.rows as u32 * side, resample);
            for tile in 0..grid.rows * grid.columns {
                let corner = [tile % grid.columns * grid.width, tile / grid.columns * grid.height];
                push_planes(&mut bytes, &large, corner, [grid.height, grid.width]);
            }
        }
        push_planes(&mut bytes, &resize(picture, side, side, resample), [0; 2], [grid.height, grid.width]);
        Ok(Tiles { grid, bytes })
    }

    fn values(&self) -> &PixelValues {
        &self.settings.values
    }

    fn feature_grid(&self, _: ImageGrid) -> [usize; 2] {
        // The number of features of a square tile is a square, unless the folder is wrong.
        let side = self.image_seq_length.isqrt();
        if side * side == self.image_seq_length { [side; 2] } else { [1, self.image_seq_length] }
    }

    fn placeholder(&self) -> &'static str {
        FEATURE
    }

    /// Appends the features of all tiles between two tokens.
    fn expand(&self, grid: ImageGrid, text: &mut Expansion) {
        text.text.push_str(START);
        (0..grid.tiles()).for_each(|_| text.push_features(FEATURE, self.image_seq_length));
        text.text.push_str(END);
    }

    fn shared_settings(&self) -> Vec<SharedSetting> {
        vec![
            SharedSetting::of_images("size", self.settings.side, IMAGE_SIZE),
            SharedSetting::of_processor("image_seq_length", self.image_seq_length, TILE_FEATURES),
        ]
    }

    fn settings(&self, options: &ImageOptions) -> Map<String, Value> {
        let mut pixels = self.settings.clone();
        pixels.do_image_splitting = options.do_image_splitting.unwrap_or(pixels.do_image_splitting);
        let count = self.image_seq_length.into();
        Map::from_iter([("pixels".to_owned(), json!(pixels)), ("image_seq_length".to_owned(), count)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(min: u32, max: u32) -> Settings {
        let size = json!({ "height": 448, "width": 448 });
        Settings::from_json(&json!({ "size": size, "min_patches": min, "max_patches": max })).expect("valid")
    }

    /// Width and height, bounds of the number of tiles, columns and rows.
    const EXPECTED: [([u32; 2], [u32; 2], [u32; 2]); 10] = [
        ([448, 448], [1, 12], [1, 1]),
        ([1000, 1000], [1, 12], [3, 3]),
        ([640, 480], [1, 12], [4, 3]),
        ([1920, 1080], [1, 12], [4, 2]),
        ([300, 1000], [1, 12], [1, 3]),
        ([1, 5000], [1, 12], [1, 12]),
        ([896, 448], [1, 12], [2, 1]),
        ([1792, 896], [1, 12], [4, 2]),
        ([448, 448], [2, 6], [2, 2]),
        ([64, 48], [1, 6], [3, 2]),
    ];

    #[test]
    fn grids_equal_those_of_transformers() {
        // Computed with `get_optimal_tiled_canvas` of transformers 5.24: columns, rows.
        for ([width, height], [min, max], [columns, rows]) in EXPECTED {
            assert_eq!(settings(min, max).rows_and_columns(width, height), [rows, columns], "{width} x {height}");
        }
    }

    #[test]
    fn an_image_in_one_tile_has_no_further_tile() {
        let processor = Processor { settings: settings(1, 12), image_seq_length: 256 };
        let picture = RgbImage::from_fn(9, 3, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let splitting = |splitting| ImageOptions { do_image_splitting: Some(splitting), ..ImageOptions::default() };
        let whole = processor.tiles(&picture, &splitting(false)).expect("tiles");
        let cut = processor.tiles(&picture, &splitting(true)).expect("tiles");
        assert_eq!((whole.grid.tiles(), cut.grid.tiles()), (1, 4));
        assert_eq!(whole.bytes[..], cut.bytes[3 * cut.grid.tile_values()..], "the whole image is the last tile");
    }

    #[test]
    fn bounds_of_the_number_of_tiles_are_checked() {
        let size = json!({ "height": 448, "width": 448 });
        let refused = |min: u64, max: u64| {
            let value = json!({ "size": size, "min_patches": min, "max_patches": max });
            Settings::from_json(&value).expect_err("refused").to_string()
        };
        assert_eq!(refused(5, 4), "min_patches: 5 is more than max_patches, 4");
        assert!(refused(1, 1000).starts_with("max_patches: is 1000"));
    }
}
