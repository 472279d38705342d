//! From a picture to the tiles the image encoder sees, as the Idefics3 processor cuts them.

use image::RgbImage;
use sha2::{Digest, Sha256};

pub use super::config::{LongestEdge, PixelConfig};

use super::config::LONGEST_SIDE;
use super::resize::resize;

/// How a picture was cut: rows and columns of tiles, both 0 where it is one tile alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ImageGrid {
    /// Tiles down.
    pub rows: usize,
    /// Tiles across.
    pub columns: usize,
}

impl ImageGrid {
    /// Tiles altogether: the cut ones row by row and the whole picture last.
    #[must_use]
    pub fn tiles(self) -> usize {
        self.rows * self.columns + 1
    }
}

/// A picture as tiles of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// How it was cut.
    pub grid: ImageGrid,
    /// Side of a tile in pixels.
    pub side: usize,
    /// `[tiles, 3, side, side]`.
    pub bytes: Vec<u8>,
}

impl Tiles {
    /// Digest of one tile's bytes.
    #[must_use]
    pub fn digest(&self, tile: usize) -> [u8; 32] {
        let size = 3 * self.side * self.side;
        Sha256::digest(&self.bytes[tile * size..(tile + 1) * size]).into()
    }
}

/// A picture that has a side of no pixels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the picture is {width} x {height} pixels: both sides must be at least 1")]
pub struct PixelError {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl PixelConfig {
    /// Resizes and cuts `picture`; `splitting` overrides the config.
    ///
    /// # Errors
    /// When the picture has no pixels.
    pub fn tiles(&self, picture: &RgbImage, splitting: Option<bool>) -> Result<Tiles, PixelError> {
        let (width, height) = picture.dimensions();
        if width == 0 || height == 0 {
            return Err(PixelError { width, height });
        }
        let side = self.max_image_size.longest_edge;
        let (width, height) = self.first_size(width, height);
        let picture = resize(picture, width, height, self.resample);
        if !splitting.unwrap_or(self.do_image_splitting) {
            return Ok(cut(&resize(&picture, side, side, self.resample), None, side));
        }
        let (width, height) = multiples_of(side, width, height);
        let picture = resize(&picture, width, height, self.resample);
        if (width, height) == (side, side) {
            return Ok(cut(&picture, None, side));
        }
        let whole = resize(&picture, side, side, self.resample);
        Ok(cut(&whole, Some(&picture), side))
    }

    /// How a picture of this size will be cut; `splitting` overrides the config.
    #[must_use]
    pub fn grid(&self, width: u32, height: u32, splitting: Option<bool>) -> ImageGrid {
        let side = self.max_image_size.longest_edge;
        if !splitting.unwrap_or(self.do_image_splitting) {
            return ImageGrid::default();
        }
        let (width, height) = self.first_size(width.max(1), height.max(1));
        match multiples_of(side, width, height) {
            (width, height) if (width, height) == (side, side) => ImageGrid::default(),
            (width, height) => ImageGrid { rows: (height / side) as usize, columns: (width / side) as usize },
        }
    }

    /// The first size: the longer side as the config says, the other in proportion, made even, and neither over the bound.
    fn first_size(&self, width: u32, height: u32) -> (u32, u32) {
        let longest = self.size.longest_edge;
        let ratio = f64::from(width) / f64::from(height);
        let even = |side: u32| side + side % 2;
        let (width, height) = if width >= height {
            (longest, even((f64::from(longest) / ratio) as u32).max(1))
        } else {
            (even((f64::from(longest) * ratio) as u32).max(1), longest)
        };
        let ratio = f64::from(width) / f64::from(height);
        if width >= height && width > LONGEST_SIDE {
            (LONGEST_SIDE, ((f64::from(LONGEST_SIDE) / ratio) as u32).max(1))
        } else if height > width && height > LONGEST_SIDE {
            (((f64::from(LONGEST_SIDE) * ratio) as u32).max(1), LONGEST_SIDE)
        } else {
            (width, height)
        }
    }

    /// Bytes as numbers in 0..1, before normalisation: where attacks work.
    #[must_use]
    pub fn unit(&self, bytes: &[u8]) -> Vec<f32> {
        let table: Vec<f32> = (0..=255_u8).map(|byte| (f64::from(byte) * self.rescale_factor) as f32).collect();
        bytes.iter().map(|byte| table[usize::from(*byte)]).collect()
    }

    /// Normalises numbers in 0..1 of tiles `[tiles, 3, side, side]`.
    pub fn normalise(&self, values: &mut [f32], side: usize) {
        for (plane, values) in values.chunks_mut(side * side).enumerate() {
            let (mean, std) = (self.image_mean[plane % 3] as f32, self.image_std[plane % 3] as f32);
            for value in values {
                *value = (*value - mean) / std;
            }
        }
    }
}

/// Sides rounded up to multiples of a tile's, the shorter from the longer by the ratio; at least one tile each, also
/// where rounding takes the last pixel of a line (the original refuses such a picture).
fn multiples_of(side: u32, width: u32, height: u32) -> (u32, u32) {
    let ratio = f64::from(width) / f64::from(height);
    let up = |length: u32| length.max(1).div_ceil(side) * side;
    if width >= height {
        let width = up(width);
        (width, up((f64::from(width) / ratio) as u32))
    } else {
        let height = up(height);
        (up((f64::from(height) * ratio) as u32), height)
    }
}

/// The tiles of `large` row by row, if there is one, and then `whole`, which is one tile.
fn cut(whole: &RgbImage, large: Option<&RgbImage>, side: u32) -> Tiles {
    let grid = large.map_or(ImageGrid::default(), |large| ImageGrid {
        rows: (large.height() / side) as usize,
        columns: (large.width() / side) as usize,
    });
    let side = side as usize;
    let mut bytes = Vec::with_capacity(grid.tiles() * 3 * side * side);
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            large.into_iter().for_each(|large| push_planes(&mut bytes, large, column * side, row * side, side));
        }
    }
    push_planes(&mut bytes, whole, 0, 0, side);
    Tiles { grid, side, bytes }
}

/// The square of `side` pixels at `left`, `top`, each colour on its own.
fn push_planes(bytes: &mut Vec<u8>, picture: &RgbImage, left: usize, top: usize, side: usize) {
    let rows = picture.as_raw().chunks_exact(picture.width() as usize * 3).skip(top).take(side);
    for channel in 0..3 {
        for row in rows.clone() {
            bytes.extend(row[left * 3..(left + side) * 3].chunks_exact(3).map(|pixel| pixel[channel]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn config(longest_edge: u32, side: u32) -> PixelConfig {
        let value = json!({ "size": { "longest_edge": longest_edge }, "max_image_size": { "longest_edge": side } });
        PixelConfig::from_json(&value).expect("valid")
    }

    #[test]
    fn odd_shapes_are_cut_without_loss() {
        for (width, height) in [(1, 1), (1, 4000), (4000, 1), (63, 64), (129, 2)] {
            let tiles = config(128, 64).tiles(&RgbImage::new(width, height), None).expect("cut");
            assert_eq!(tiles.bytes.len(), tiles.grid.tiles() * 3 * 64 * 64, "{width} x {height}");
        }
        let refused = config(128, 64).tiles(&RgbImage::new(0, 5), None);
        assert_eq!(refused, Err(PixelError { width: 0, height: 5 }));
    }

    #[test]
    fn a_line_whose_last_pixel_is_lost_to_rounding_is_still_a_tile() {
        // 1 / 49 * 49 is a little less than 1 in floating point.
        let tiles = config(49, 49).tiles(&RgbImage::new(1, 4000), None).expect("cut");
        assert_eq!((tiles.grid, tiles.bytes.len()), (ImageGrid::default(), 3 * 49 * 49));
    }

    #[test]
    fn tiles_are_the_picture_row_by_row() {
        // Its size is already right, so nothing is resized but the whole.
        let picture = RgbImage::from_fn(4, 2, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let tiles = config(4, 2).tiles(&picture, None).expect("cut");
        assert_eq!(tiles.grid, ImageGrid { rows: 1, columns: 2 });
        assert_eq!(tiles.bytes[..24], [0, 1, 0, 1, 0, 0, 1, 1, 9, 9, 9, 9, 2, 3, 2, 3, 0, 0, 1, 1, 9, 9, 9, 9]);
    }

    proptest! {
        /// Any shape and any config of a real kind fill every tile, with and without splitting.
        #[test]
        fn every_shape_fills_its_tiles(
            width in 1_u32..90, height in 1_u32..90, stretch in 1_u32..40, upright: bool,
            longest_edge in 1_u32..200, side in 7_u32..60, splitting: bool,
        ) {
            let (width, height) = if upright { (width, height * stretch) } else { (width * stretch, height) };
            let tiles = config(longest_edge, side).tiles(&RgbImage::new(width, height), Some(splitting)).expect("cut");
            let side = side as usize;
            prop_assert_eq!(tiles.bytes.len(), tiles.grid.tiles() * 3 * side * side);
            prop_assert_eq!(tiles.grid.rows == 0, tiles.grid.columns == 0);
            prop_assert!(splitting || tiles.grid == ImageGrid::default());
        }
    }
}
