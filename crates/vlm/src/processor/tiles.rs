//! Pictures cut and digested, ready for the image encoder.

use std::sync::Arc;

use image::RgbImage;
use sha2::{Digest, Sha256};

use super::pixels::{ImageGrid, Tiles};
use super::{Processor, ProcessorError};
use crate::feature_cache::TileDigest;

/// A picture, cut and digested.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its tiles.
    pub pixels: PreparedPixels,
    /// How it was cut.
    pub grid: ImageGrid,
    /// A digest of each tile's pixels: equal digests have equal features.
    pub(crate) digests: Vec<TileDigest>,
}

/// Pixels of a prepared picture, before normalisation.
#[derive(Clone, Debug)]
pub enum PreparedPixels {
    /// Bytes, as cut from a picture.
    Cut(Tiles),
    /// Numbers in 0..1, `[tiles, 3, side, side]`, as an attack left them.
    Unit(Arc<Vec<f32>>),
}

impl Prepared {
    /// A picture that was never read, to count tokens and tiles with; the model cannot be shown it. Equal `name`s stand for
    /// equal pictures.
    #[must_use]
    pub fn outline(grid: ImageGrid, name: &str) -> Self {
        let digest = |tile: usize| Sha256::digest(format!("{tile}:{name}")).into();
        let digests = (0..grid.tiles()).map(digest).collect();
        Self { pixels: PreparedPixels::Unit(Arc::new(Vec::new())), grid, digests }
    }
}

impl Processor {
    /// How a picture of this size, of at least one pixel, will be cut.
    #[must_use]
    pub fn grid(&self, width: u32, height: u32) -> ImageGrid {
        self.pixels().grid(width, height, self.splitting)
    }

    /// Cuts a picture.
    ///
    /// # Errors
    /// When it has no pixels.
    pub fn prepare(&self, picture: &RgbImage) -> Result<Prepared, ProcessorError> {
        let tiles = self.tiles(picture)?;
        let digests = (0..tiles.grid.tiles()).map(|tile| tiles.digest(tile)).collect();
        Ok(Prepared { grid: tiles.grid, digests, pixels: PreparedPixels::Cut(tiles) })
    }

    /// A picture with other pixels, `[tiles, 3, side, side]` in 0..1, on the grid of `like`.
    ///
    /// # Errors
    /// When there are not as many as its tiles have.
    pub fn repainted(&self, like: ImageGrid, unit: Vec<f32>) -> Result<Prepared, ProcessorError> {
        let size = self.tile_size();
        if unit.len() != size * like.tiles() {
            let problem =
                format!("{} pixel values are given, {} tiles have {}", unit.len(), like.tiles(), size * like.tiles());
            return Err(ProcessorError::PackedSequences(problem));
        }
        let digests = unit
            .chunks(size)
            .map(|tile| {
                let mut digest = Sha256::new_with_prefix(b"unit");
                tile.iter().for_each(|value| digest.update(value.to_le_bytes()));
                digest.finalize().into()
            })
            .collect();
        Ok(Prepared { grid: like, digests, pixels: PreparedPixels::Unit(Arc::new(unit)) })
    }

    /// Values of one tile: colours times pixels.
    #[must_use]
    pub fn tile_size(&self) -> usize {
        3 * (self.pixels().max_image_size.longest_edge as usize).pow(2)
    }

    /// A prepared picture's pixels in 0..1, `[tiles, 3, side, side]`.
    #[must_use]
    pub fn unit_pixels(&self, prepared: &Prepared) -> Vec<f32> {
        match &prepared.pixels {
            PreparedPixels::Cut(tiles) => self.pixels().unit(&tiles.bytes),
            PreparedPixels::Unit(values) => values.to_vec(),
        }
    }
}
