//! Images cut into tiles, with a digest per tile, ready for the image encoder.

use std::sync::Arc;

use image::RgbImage;
use sha2::{Digest, Sha256};

use super::{Processor, ProcessorError};
use crate::feature_cache::TileDigest;
use crate::images::grid::{ImageGrid, Tiles};

/// Image cut into tiles, with a digest per tile, as the model and the feature cache take it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Pixels of all tiles, before normalisation.
    pub pixels: PreparedPixels,
    /// Numbers of rows and columns of tiles.
    pub grid: ImageGrid,
    /// Digest of each tile's pixels. Tiles with equal digests have equal image features.
    pub(crate) digests: Vec<TileDigest>,
}

/// Pixels of a prepared image, before normalisation.
#[derive(Clone, Debug)]
pub enum PreparedPixels {
    /// Bytes, as cut from an image file. What is computed of them may be cached.
    Cut(Tiles),
    /// Values in 0..1, `[tiles, 3, height, width]`, as an attack gives them; nothing of them is cached. Empty
    /// for [`Prepared::outline`].
    Unit(Arc<Vec<f32>>),
}

impl Prepared {
    /// Creates an image without pixels, for counting tokens and tiles only: the model cannot encode it. Images with
    /// equal `name` and grid have equal digests.
    #[must_use]
    pub fn outline(grid: ImageGrid, name: &str) -> Self {
        let digest = |tile: usize| Sha256::digest(format!("{tile}:{name}")).into();
        let digests = (0..grid.tiles()).map(digest).collect();
        Self { pixels: PreparedPixels::Unit(Arc::new(Vec::new())), grid, digests }
    }

    /// Returns the SHA-256 digest of each tile's pixels. Tiles with equal digests have equal image features.
    #[must_use]
    pub fn tile_digests(&self) -> &[TileDigest] {
        &self.digests
    }

    /// Returns the size of the pixels in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.pixels {
            PreparedPixels::Cut(tiles) => tiles.bytes.len(),
            PreparedPixels::Unit(values) => size_of_val(values.as_slice()),
        }
    }
}

impl Processor {
    /// Returns the tile grid of an image of `width` x `height` pixels. A side of 0 counts as 1.
    #[must_use]
    pub fn grid(&self, width: u32, height: u32) -> ImageGrid {
        self.images.grid(width.max(1), height.max(1), &self.options)
    }

    /// Resizes an image, cuts it into tiles and computes the digest of each tile.
    ///
    /// # Errors
    /// When the image has no pixels.
    pub fn prepare(&self, picture: &RgbImage) -> Result<Prepared, ProcessorError> {
        let tiles = self.tiles(picture)?;
        let digests = (0..tiles.grid.tiles()).map(|tile| tiles.digest(tile)).collect();
        Ok(Prepared { grid: tiles.grid, digests, pixels: PreparedPixels::Cut(tiles) })
    }

    /// Creates an image with the grid `like` from the pixels `unit`, `[tiles, 3, height, width]` in 0..1, for example
    /// after an attack.
    ///
    /// # Errors
    /// When `unit` has another length than the tiles of the grid.
    pub fn repainted(&self, like: ImageGrid, unit: Vec<f32>) -> Result<Prepared, ProcessorError> {
        if unit.len() != like.values() {
            let problem =
                format!("{} pixel values are given, but {} tiles have {}", unit.len(), like.tiles(), like.values());
            return Err(ProcessorError::Conversation { problem, advice: "give all pixels of the prepared image" });
        }
        let digests = unit
            .chunks(like.tile_values())
            .map(|tile| {
                let mut digest = Sha256::new_with_prefix(b"unit");
                digest.update(like.margin_key());
                tile.iter().for_each(|value| digest.update(value.to_le_bytes()));
                digest.finalize().into()
            })
            .collect();
        Ok(Prepared { grid: like, digests, pixels: PreparedPixels::Unit(Arc::new(unit)) })
    }

    /// Returns the pixels of a prepared image in 0..1, `[tiles, 3, height, width]`.
    #[must_use]
    pub fn unit_pixels(&self, prepared: &Prepared) -> Vec<f32> {
        match &prepared.pixels {
            PreparedPixels::Cut(tiles) => self.values().unit(&tiles.bytes),
            PreparedPixels::Unit(values) => values.to_vec(),
        }
    }
}
