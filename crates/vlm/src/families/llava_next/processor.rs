//! Image preprocessing of LLaVA-NeXT: tiles of the image at the best of several resolutions, and the whole image as one tile.

use std::sync::Arc;

use image::RgbImage;
use image::imageops::replace;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::facts::ProcessorSettingError;
use super::super::llava::processor::{IMAGE, patch_size};
use super::layout::{Size, best_resolution, fitted, kept, margins};
use crate::images::grid::{ImageGrid, PixelError, Tiles, push_planes};
use crate::images::processor::{Expansion, ImageOptions, ImageProcessor};
use crate::images::resize::{Resample, resize};
use crate::images::settings::{SettingError, only_true, resample, square, stated, wrong};
use crate::images::shared::{IMAGE_SIZE, PATCH_SIZE, SharedSetting};
use crate::images::values::{CLIP_MEAN, CLIP_STD, PixelValues};

/// Most tiles along a side of an image.
const TILES_A_SIDE: u32 = 32;

/// Key of the resolutions of images that are cut into tiles, in `config.json` and in the image preprocessing settings.
pub(super) const PINPOINTS: &str = "image_grid_pinpoints";

/// Resolutions of a folder that states none, height and width in pixels.
pub(super) const DEFAULT_PINPOINTS: [Size; 5] = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]];

/// Image preprocessing settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Settings {
    /// Side of a tile in pixels.
    side: u32,
    /// Side of a patch in pixels.
    patch_size: u32,
    /// Resolutions of the images that are cut into tiles: height and width in pixels, multiples of `side`.
    image_grid_pinpoints: Vec<Size>,
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

impl Settings {
    fn from_json(value: &Value, patch_size: u32) -> Result<Self, SettingError> {
        only_true(value, &["do_resize"])?;
        let side = square(value, "crop_size")?;
        let size = stated(value, "size");
        let scaled = size.and_then(|size| size.get("shortest_edge").or(size.get("height"))).and_then(Value::as_u64);
        let width = size.and_then(|size| size.get("width")).and_then(Value::as_u64);
        if scaled != Some(u64::from(side)) || width.is_some_and(|width| width != u64::from(side)) {
            return Err(wrong("size", format!("must be the side of crop_size, {side}")));
        }
        Ok(Self {
            side,
            patch_size,
            image_grid_pinpoints: pinpoints(value, side)?,
            resample: resample(value, Resample::Bicubic)?,
            values: PixelValues::from_json(value, CLIP_MEAN, CLIP_STD)?,
        })
    }

    /// Rows and columns of the features of a tile.
    fn features_per_side(&self) -> usize {
        (self.side / self.patch_size) as usize
    }
}

/// Reads the resolutions `image_grid_pinpoints`, which must be multiples of `side`.
fn pinpoints(value: &Value, side: u32) -> Result<Vec<Size>, SettingError> {
    let allowed = |length: u64| {
        u32::try_from(length).ok().filter(|length| *length > 0 && length % side == 0 && length / side <= TILES_A_SIDE)
    };
    let size = |stated: &Value| -> Option<Size> {
        let [height, width] = <&[Value; 2]>::try_from(stated.as_array()?.as_slice()).ok()?;
        Some([allowed(height.as_u64()?)?, allowed(width.as_u64()?)?])
    };
    let default = json!(DEFAULT_PINPOINTS);
    let stated = stated(value, PINPOINTS).unwrap_or(&default);
    let sizes: Option<Vec<Size>> = stated.as_array().and_then(|sizes| sizes.iter().map(size).collect());
    sizes.filter(|sizes| !sizes.is_empty()).ok_or_else(|| {
        let expected =
            format!("pairs of height and width are expected, multiples of {side} up to {TILES_A_SIDE} tiles");
        wrong(PINPOINTS, format!("is {stated}: {expected}"))
    })
}

impl ImageProcessor for Processor {
    fn grid(&self, width: u32, height: u32, _: &ImageOptions) -> ImageGrid {
        let (side, features) = (self.settings.side, self.settings.features_per_side() as u32);
        let [rows, columns] =
            best_resolution([height, width], &self.settings.image_grid_pinpoints).map(|length| length / side);
        ImageGrid {
            rows: rows as usize,
            columns: columns as usize,
            margins: margins([height, width], [rows * features, columns * features]),
            ..ImageGrid::whole(side as usize, side as usize)
        }
    }

    fn tiles(&self, picture: &RgbImage, options: &ImageOptions) -> Result<Tiles, PixelError> {
        PixelError::of(picture)?;
        let Settings { side, resample, .. } = self.settings;
        let (width, height) = picture.dimensions();
        let grid = self.grid(width, height, options);
        let target = [grid.rows as u32 * side, grid.columns as u32 * side];
        let inner = fitted([height, width], target);
        let mut padded = RgbImage::new(target[1], target[0]);
        let [top, left] = [0, 1].map(|side| i64::from((target[side] - inner[side]) / 2));
        replace(&mut padded, &resize(picture, inner[1], inner[0], resample), left, top);
        let mut bytes = Vec::with_capacity(grid.values());
        let sides = [grid.height, grid.width];
        for tile in 0..grid.rows * grid.columns {
            let corner = [tile % grid.columns * grid.width, tile / grid.columns * grid.height];
            push_planes(&mut bytes, &padded, corner, sides);
        }
        push_planes(&mut bytes, &resize(picture, side, side, resample), [0; 2], sides);
        Ok(Tiles { grid, bytes })
    }

    fn values(&self) -> &PixelValues {
        &self.settings.values
    }

    fn feature_grid(&self, _: ImageGrid) -> [usize; 2] {
        [self.settings.features_per_side(); 2]
    }

    /// The last feature of a tile is the line break.
    fn tile_features(&self, _: ImageGrid) -> usize {
        self.settings.features_per_side().pow(2) + 1
    }

    fn image_tokens(&self, grid: ImageGrid) -> usize {
        let side = self.settings.features_per_side();
        let [rows, columns] = kept(grid, side);
        side.pow(2) + rows * (columns + 1)
    }

    fn placeholder(&self) -> &'static str {
        IMAGE
    }

    /// Appends the features of the whole image, then the rows of the joined tiles without padding, each with a line break.
    fn expand(&self, grid: ImageGrid, text: &mut Expansion) {
        let (side, whole) = (self.settings.features_per_side(), grid.tiles() - 1);
        text.push_run(IMAGE, whole, 0..side * side);
        let ([rows, columns], [top, left]) = (kept(grid, side), grid.margins);
        for row in top..top + rows {
            for column in 0..grid.columns {
                // Columns of this tile that are not padding.
                let from = left.max(column * side);
                let to = (left + columns).min((column + 1) * side);
                let first = row % side * side;
                let run = first + from.saturating_sub(column * side)..first + to.saturating_sub(column * side);
                text.push_run(IMAGE, row / side * grid.columns + column, run);
            }
            text.push_run(IMAGE, whole, side * side..side * side + 1);
        }
    }

    fn shared_settings(&self) -> Vec<SharedSetting> {
        let Settings { side, patch_size, image_grid_pinpoints, .. } = &self.settings;
        vec![
            SharedSetting::of_images("crop_size", *side, IMAGE_SIZE),
            SharedSetting::of_processor("patch_size", *patch_size, PATCH_SIZE),
            SharedSetting::of_images(PINPOINTS, json!(image_grid_pinpoints), PINPOINTS),
        ]
    }

    fn settings(&self, _: &ImageOptions) -> Map<String, Value> {
        Map::from_iter([("pixels".to_owned(), json!(self.settings))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processor(pinpoints: Value) -> Result<Processor, SettingError> {
        let value = json!({
            "crop_size": { "height": 4, "width": 4 }, "size": { "shortest_edge": 4 }, "image_grid_pinpoints": pinpoints,
        });
        Ok(Processor { settings: Settings::from_json(&value, 1)? })
    }

    #[test]
    fn rows_of_the_joined_tiles_stand_without_padding_and_with_line_breaks() {
        let processor = processor(json!([[4, 8], [8, 4], [8, 8]])).expect("valid");
        // Four columns of eight remain: two of each tile.
        let grid = processor.grid(4, 8, &ImageOptions::default());
        assert_eq!((grid.rows, grid.columns, grid.margins), (2, 1, [0, 0]));
        let grid = ImageGrid { columns: 2, margins: [0, 2], ..grid };
        let mut text = Expansion::default();
        processor.expand(grid, &mut text);
        let runs: Vec<_> = text.runs.iter().map(|run| (run.tile, run.features.clone())).collect();
        assert_eq!(runs[..4], [(4, 0..16), (0, 2..4), (1, 0..2), (4, 16..17)]);
        assert_eq!(runs[runs.len() - 3..], [(2, 14..16), (3, 12..14), (4, 16..17)]);
        assert_eq!(text.text.matches(IMAGE).count(), processor.image_tokens(grid));
    }

    /// A margin may begin inside the second tile and leave nothing of the first one.
    #[test]
    fn every_shape_has_the_counted_tokens_and_fills_its_tiles() {
        let processor = processor(json!([[4, 12], [12, 4], [8, 8], [4, 4]])).expect("valid");
        for (width, height) in [(1, 1), (5, 3), (1, 400), (400, 1), (7, 9), (30, 11), (11, 30), (8, 8)] {
            let picture = RgbImage::from_pixel(width, height, image::Rgb([200; 3]));
            let tiles = processor.tiles(&picture, &ImageOptions::default()).expect("tiles");
            assert_eq!(tiles.bytes.len(), tiles.grid.values(), "{width} x {height}");
            let mut text = Expansion::default();
            processor.expand(tiles.grid, &mut text);
            let runs: usize = text.runs.iter().map(|run| run.features.len()).sum();
            assert_eq!(runs, processor.image_tokens(tiles.grid), "{width} x {height}");
        }
    }

    #[test]
    fn unsupported_resolutions_are_named() {
        for pinpoints in [json!([]), json!([[4, 6]]), json!([[4]]), json!([[0, 4]]), json!([[4, 400]]), json!(4)] {
            let error = processor(pinpoints).expect_err("refused").to_string();
            assert!(error.starts_with("image_grid_pinpoints: is "), "{error}");
        }
    }
}
