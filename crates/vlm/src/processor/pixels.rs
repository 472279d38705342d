//! From a picture to the tiles the image encoder sees, as the Idefics3 processor cuts them.

use image::RgbImage;
use image::imageops::crop_imm;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::resize::{Resample, resize};

/// No side is ever larger, whatever the config says (the original's own bound).
const LONGEST_SIDE: u32 = 4096;

/// A length in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct LongestEdge {
    /// Of the longer side.
    pub longest_edge: u32,
}

/// The pixel pipeline as `preprocessor_config.json` states it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PixelConfig {
    /// Whether large pictures are cut into tiles.
    #[serde(default = "yes")]
    pub do_image_splitting: bool,
    /// What the longer side is resized to first.
    pub size: LongestEdge,
    /// Side of a tile.
    pub max_image_size: LongestEdge,
    /// The filter.
    #[serde(default = "lanczos")]
    pub resample: Resample,
    /// What a byte is multiplied by.
    #[serde(default = "one_255th")]
    pub rescale_factor: f64,
    /// Subtracted, a channel.
    pub image_mean: [f64; 3],
    /// Divided by, a channel.
    pub image_std: [f64; 3],
    #[serde(default = "yes")]
    do_resize: bool,
    #[serde(default = "yes")]
    do_rescale: bool,
    #[serde(default = "yes")]
    do_normalize: bool,
}

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

/// Why a picture cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PixelError {
    /// A switch of the config that this version does not follow.
    #[error("{0} is false: only true is built")]
    Switch(&'static str),
    /// A side of no pixels.
    #[error("the picture is {0} x {1} pixels: both sides must be at least 1")]
    Empty(u32, u32),
    /// A size the encoder cannot take.
    #[error("{0} is {1}: from 1 to 4096 is expected")]
    Size(&'static str, u32),
}

impl PixelConfig {
    /// Refuses what is not built.
    ///
    /// # Errors
    /// When a step is switched off or a size is out of range.
    pub fn check(&self) -> Result<(), PixelError> {
        let switches =
            [("do_resize", self.do_resize), ("do_rescale", self.do_rescale), ("do_normalize", self.do_normalize)];
        if let Some((name, _)) = switches.iter().find(|(_, on)| !on) {
            return Err(PixelError::Switch(name));
        }
        let sizes = [("size.longest_edge", self.size), ("max_image_size.longest_edge", self.max_image_size)];
        match sizes.iter().find(|(_, size)| !(1..=LONGEST_SIDE).contains(&size.longest_edge)) {
            Some((name, size)) => Err(PixelError::Size(name, size.longest_edge)),
            None => Ok(()),
        }
    }

    /// Resizes and cuts `picture`; `splitting` overrides the config.
    ///
    /// # Errors
    /// When the picture has no pixels.
    pub fn tiles(&self, picture: &RgbImage, splitting: Option<bool>) -> Result<Tiles, PixelError> {
        let (width, height) = picture.dimensions();
        if width == 0 || height == 0 {
            return Err(PixelError::Empty(width, height));
        }
        let side = self.max_image_size.longest_edge;
        let (width, height) = self.first_size(width, height);
        let picture = resize(picture, width, height, self.resample);
        if !splitting.unwrap_or(self.do_image_splitting) {
            let whole = resize(&picture, side, side, self.resample);
            return Ok(gather(&[whole], ImageGrid::default(), side));
        }
        let (width, height) = multiples_of(side, width, height);
        let picture = resize(&picture, width, height, self.resample);
        if width <= side && height <= side {
            return Ok(gather(&[picture], ImageGrid::default(), side));
        }
        let grid = ImageGrid { rows: (height / side) as usize, columns: (width / side) as usize };
        let mut tiles: Vec<RgbImage> = (0..height / side)
            .flat_map(|row| (0..width / side).map(move |column| (column * side, row * side)))
            .map(|(x, y)| crop_imm(&picture, x, y, side, side).to_image())
            .collect();
        tiles.push(resize(&picture, side, side, self.resample));
        Ok(gather(&tiles, grid, side))
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

/// Sides rounded up to multiples of a tile's, the shorter from the longer by the ratio.
fn multiples_of(side: u32, width: u32, height: u32) -> (u32, u32) {
    let ratio = f64::from(width) / f64::from(height);
    let up = |length: u32| length.div_ceil(side) * side;
    if width >= height {
        let width = up(width);
        (width, up((f64::from(width) / ratio) as u32))
    } else {
        let height = up(height);
        (up((f64::from(height) * ratio) as u32), height)
    }
}

/// Pictures of `side` x `side` as planes of colour.
fn gather(pictures: &[RgbImage], grid: ImageGrid, side: u32) -> Tiles {
    let mut bytes = Vec::with_capacity(pictures.len() * 3 * (side * side) as usize);
    for picture in pictures {
        for channel in 0..3 {
            bytes.extend(picture.pixels().map(|pixel| pixel.0[channel]));
        }
    }
    Tiles { grid, side: side as usize, bytes }
}

fn yes() -> bool {
    true
}

fn lanczos() -> Resample {
    Resample::Lanczos
}

fn one_255th() -> f64 {
    1.0 / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> PixelConfig {
        serde_json::from_str(
            r#"{"size":{"longest_edge":128},"max_image_size":{"longest_edge":64},"resample":1,
                "image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}"#,
        )
        .expect("valid")
    }

    #[test]
    fn odd_shapes_are_cut_without_loss() {
        for (width, height) in [(1, 1), (1, 4000), (4000, 1), (63, 64), (129, 2)] {
            let tiles = config().tiles(&RgbImage::new(width, height), None).expect("cut");
            assert_eq!(tiles.bytes.len(), tiles.grid.tiles() * 3 * 64 * 64, "{width} x {height}");
        }
        assert_eq!(config().tiles(&RgbImage::new(0, 5), None), Err(PixelError::Empty(0, 5)));
    }
}
