//! Tiles of an image and their sizes.

use image::RgbImage;
use sha2::{Digest, Sha256};

/// Tiles of an image. A tile is what the image encoder takes as one picture: a part of an image that is cut, or a whole
/// image. All tiles of an image have one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageGrid {
    /// Number of rows of tiles; 0 for an image that is not cut.
    pub rows: usize,
    /// Number of columns of tiles; 0 for an image that is not cut.
    pub columns: usize,
    /// Height of a tile in pixels.
    pub height: usize,
    /// Width of a tile in pixels.
    pub width: usize,
    /// Numbers of feature rows and columns of the joined tiles that are left out on each side, because they show padding
    /// only; 0 for families that do not pad.
    pub margins: [usize; 2],
}

impl ImageGrid {
    /// Returns the grid of an image that is not cut: one tile of `height` x `width` pixels shows the whole image.
    #[must_use]
    pub fn whole(height: usize, width: usize) -> Self {
        Self { rows: 0, columns: 0, height, width, margins: [0; 2] }
    }

    /// Returns the number of tiles: `rows * columns`, and one for the whole image, which comes last.
    #[must_use]
    pub fn tiles(self) -> usize {
        self.rows * self.columns + 1
    }

    /// Returns the number of values of one tile: `3 * height * width`.
    #[must_use]
    pub fn tile_values(self) -> usize {
        3 * self.height * self.width
    }

    /// Returns what tells apart grids that leave out different features of equal tiles; empty if no feature is left out.
    /// Sequences with such images must not share a part of a tile.
    pub(crate) fn margin_key(self) -> String {
        match self.margins {
            [0, 0] => String::new(),
            [top, left] => format!("{} x {} tiles without {top} x {left}\n", self.rows, self.columns),
        }
    }

    /// Returns the number of values of all tiles.
    #[must_use]
    pub fn values(self) -> usize {
        self.tiles() * self.tile_values()
    }
}

/// Image cut into 8-bit tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Numbers and sizes of the tiles.
    pub grid: ImageGrid,
    /// RGB values, `[tiles, 3, height, width]` row by row: the tiles of the grid row by row, then the whole image.
    pub bytes: Vec<u8>,
}

impl Tiles {
    /// Returns the SHA-256 of tile `tile`, counted from 0: of its bytes, of its size if the tile is not square, and of the
    /// grid if features are left out.
    ///
    /// # Panics
    /// When `tile` is out of range.
    #[must_use]
    pub fn digest(&self, tile: usize) -> [u8; 32] {
        let ImageGrid { height, width, .. } = self.grid;
        let size = self.grid.tile_values();
        let mut digest = Sha256::new();
        if height != width {
            digest.update(format!("{height} x {width}\n"));
        }
        digest.update(self.grid.margin_key());
        digest.update(&self.bytes[tile * size..(tile + 1) * size]);
        digest.finalize().into()
    }
}

/// Error of an image whose size a family cannot process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PixelError {
    /// A side has 0 pixels.
    #[error("the image is {width} x {height} pixels: both sides must be at least 1 -> replace the image")]
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// One side is much longer than the other one.
    #[error(
        "the image is {width} x {height} pixels: the longer side may be at most {most} times the shorter one -> crop or \
         pad the image"
    )]
    Elongated {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Largest ratio of the sides.
        most: u32,
    },
}

impl PixelError {
    /// Refuses an image with one side more than `most` times as long as the other one. Neither may be 0.
    pub(crate) fn of_ratio(picture: &RgbImage, most: u32) -> Result<(), Self> {
        let (width, height) = picture.dimensions();
        match width.max(height) > width.min(height).saturating_mul(most) {
            true => Err(Self::Elongated { width, height, most }),
            false => Ok(()),
        }
    }

    /// Refuses an image with a side of 0 pixels.
    pub(crate) fn of(picture: &RgbImage) -> Result<(), Self> {
        match picture.dimensions() {
            (width, height) if width == 0 || height == 0 => Err(Self::Empty { width, height }),
            _ => Ok(()),
        }
    }
}

/// Appends the `height` x `width` pixels at `left`, `top` of `picture`, one colour plane after the other.
pub(crate) fn push_planes(
    bytes: &mut Vec<u8>,
    picture: &RgbImage,
    [left, top]: [usize; 2],
    [height, width]: [usize; 2],
) {
    let rows = picture.as_raw().chunks_exact(picture.width() as usize * 3).skip(top).take(height);
    for channel in 0..3 {
        for row in rows.clone() {
            bytes.extend(row[left * 3..(left + width) * 3].chunks_exact(3).map(|pixel| pixel[channel]));
        }
    }
}
