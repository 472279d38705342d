//! Thumbnails of images, whose correlation decides whether two images are near-duplicates.

use image::RgbImage;

use super::take::take_u16;
use super::transform::Transform;
use crate::dhash::{difference_bits, grid_sums, luma_sums};

/// Smallest Pearson correlation of the thumbnails of two near-duplicates.
///
/// Measured on chest X-rays, brain slices and blood smears: different patients reach at most 0.92; slices of one scan
/// reach at least 0.95, copies at least 0.997.
pub const CORRELATION: f64 = 0.95;

/// Side of a thumbnail in values.
pub(super) const SIDE: u32 = 32;

/// Luma of an image, averaged over a grid of 32 x 32 areas, in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail(Vec<u16>);

impl Thumbnail {
    /// Computes the thumbnail of an image. An image without pixels is black.
    #[must_use]
    pub fn of(picture: &RgbImage) -> Self {
        let pixels = u64::from(picture.width()) * u64::from(picture.height());
        // Means of 0 to 255,000 thousandths are scaled to 16 bits, so that dim images keep their detail.
        let level = |sum: u64| (u128::from(sum) * 65_535 / (255_000 * u128::from(pixels.max(1)))) as u16;
        Self(luma_sums(picture, SIDE, SIDE).into_iter().map(level).collect())
    }

    /// Returns whether the two images are near-duplicates: their correlation is at least [`CORRELATION`], or the
    /// thumbnails are equal.
    #[must_use]
    pub fn is_near(&self, other: &Self) -> bool {
        // Uniform images have no correlation; they are duplicates when their grey level is equal.
        self == other || self.correlation(other).is_some_and(|correlation| correlation >= CORRELATION)
    }

    /// Computes Pearson's correlation of the two thumbnails, -1 to 1; None if one of them is uniform.
    #[must_use]
    pub fn correlation(&self, other: &Self) -> Option<f64> {
        // `cross` computes n^2 times the covariance or variance in whole numbers.
        let count = self.0.len() as i64;
        let sum = |values: &[u16]| values.iter().map(|value| i64::from(*value)).sum::<i64>();
        let product = |a: &[u16], b: &[u16]| a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>();
        let cross = |a: &[u16], b: &[u16]| (count * product(a, b) - sum(a) * sum(b)) as f64;
        let (one, another) = (cross(&self.0, &self.0), cross(&other.0, &other.0));
        (one > 0.0 && another > 0.0).then(|| cross(&self.0, &other.0) / (one * another).sqrt())
    }

    /// Values in row-major order.
    pub(super) fn values(&self) -> &[u16] {
        &self.0
    }

    /// Appends the thumbnail to `bytes`.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.0.iter().flat_map(|value| value.to_le_bytes()));
    }

    /// Takes a thumbnail from `bytes`; None when too few are left.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        (0..SIDE * SIDE).map(|_| take_u16(bytes)).collect::<Option<Vec<u16>>>().map(Self)
    }

    /// Returns the thumbnail of the transformed image.
    #[must_use]
    pub fn transformed(&self, transform: Transform) -> Self {
        let side = SIDE as usize;
        let value = |place: usize| {
            let (row, column) = transform.source(place / side, place % side, side);
            let value = self.0[row * side + column];
            if transform.inverted { u16::MAX - value } else { value }
        };
        Self((0..self.0.len()).map(value).collect())
    }

    /// Computes the difference hash of the thumbnail, with the bits of [`crate::dhash::phash`]. It can differ from the
    /// hash of the image in a few bits.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let rows = self.0.chunks_exact(SIDE as usize).map(|row| row.iter().map(|value| u64::from(*value)));
        difference_bits(&grid_sums(rows, (SIDE, SIDE), (9, 8)))
    }
}
