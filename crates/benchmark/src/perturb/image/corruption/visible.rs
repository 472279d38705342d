//! Whether the evidence is still visible on a corrupted image.

use image::RgbImage;

use crate::perturb::support::geometry::Rect;
use crate::perturb::support::raster::grey_level;

/// Smallest share of the contrast inside each piece of evidence that a corruption leaves, measured on means over blocks;
/// a choice of this benchmark.
pub const LEAST_CONTRAST: f64 = 0.25;
/// Smallest correlation of the pixels inside each piece of evidence before and after a corruption. At 0.4, noise has a
/// standard deviation of 2.3 times the evidence; a choice of this benchmark.
pub const LEAST_CORRELATION: f64 = 0.4;
/// Side of a block as a share of a detail of the image ([`super::Site::detail`]).
const BLOCK: f64 = 1.0 / 8.0;

/// Pieces of evidence on an image, with their grey levels before a corruption.
pub struct Evident {
    pieces: Vec<Piece>,
    block: i64,
}

struct Piece {
    rect: Rect,
    pixels: Vec<f64>,
    blocks: Vec<f64>,
}

impl Evident {
    /// Measures the pieces of evidence `kept` on the original image; `detail` is the size of a detail in pixels.
    #[must_use]
    pub fn new(original: &RgbImage, kept: Vec<Rect>, detail: f64) -> Self {
        let block = ((detail * BLOCK).round() as i64).max(1);
        let piece = |rect| Piece { rect, pixels: means(original, rect, 1), blocks: means(original, rect, block) };
        Self { pieces: kept.into_iter().map(piece).collect(), block }
    }

    /// Returns whether every piece of evidence is visible on the corrupted image `spoilt`. The slope of the line that
    /// predicts the block means after the corruption from the block means before is at least [`LEAST_CONTRAST`], and the
    /// correlation of the pixels is at least [`LEAST_CORRELATION`]. Evidence of one grey level is visible on any image.
    #[must_use]
    pub fn is_left_in(&self, spoilt: &RgbImage) -> bool {
        self.pieces.iter().all(|piece| {
            let [slope, _] = line(&piece.blocks, &means(spoilt, piece.rect, self.block));
            let [_, correlation] = line(&piece.pixels, &means(spoilt, piece.rect, 1));
            slope >= LEAST_CONTRAST && correlation >= LEAST_CORRELATION
        })
    }
}

/// Returns the mean grey levels, 0 to 255, of the square blocks of `rect` with sides of `block` pixels, row by row; blocks
/// at the right and lower edge may be smaller.
fn means(picture: &RgbImage, rect: Rect, block: i64) -> Vec<f64> {
    let corners = |from: i64, to: i64| (from..to).step_by(usize::try_from(block).unwrap_or(1));
    let rows = corners(rect.y0, rect.y1).flat_map(|y0| corners(rect.x0, rect.x1).map(move |x0| (x0, y0)));
    let blocks = rows.map(|(x0, y0)| Rect { x0, y0, x1: x0 + block, y1: y0 + block }.clipped(rect));
    blocks.map(|block| grey_level(picture, block)).collect()
}

/// Returns the slope of the line that predicts `after` from `before` by least squares, and the correlation of both. Values
/// of `before` that are all equal give `[1, 1]`.
fn line(before: &[f64], after: &[f64]) -> [f64; 2] {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (left, right) = (mean(before), mean(after));
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for (one, other) in before.iter().zip(after) {
        let (one, other) = (one - left, other - right);
        (both, first, second) = (both + one * other, first + one * one, second + other * other);
    }
    if first == 0.0 {
        return [1.0, 1.0];
    }
    [both / first, if second == 0.0 { 0.0 } else { both / (first * second).sqrt() }]
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;
    use rand::Rng;
    use stepwise_data::random::stream;

    use super::*;

    fn ramp() -> RgbImage {
        RgbImage::from_fn(64, 64, |x, _| Rgb([60 + x as u8; 3]))
    }

    fn is_left(spoilt: &RgbImage) -> bool {
        Evident::new(&ramp(), vec![Rect::of_size(64, 64)], 32.0).is_left_in(spoilt)
    }

    #[test]
    fn noise_adds_no_contrast() {
        let with_noise = |signal: f64, noise: f64| {
            let mut rng = stream(1, &["noise"]);
            RgbImage::from_fn(64, 64, |x, _| {
                let value = 92.0 + signal * (f64::from(x) - 32.0) + noise * rng.random_range(-1.0..1.0);
                Rgb([value.clamp(0.0, 255.0) as u8; 3])
            })
        };
        assert!(is_left(&with_noise(1.0, 40.0)));
        assert!(!is_left(&with_noise(0.1, 40.0)), "the contrast is gone, and noise takes its place");
        assert!(!is_left(&with_noise(1.0, 90.0)), "noise covers the contrast");
        assert!(!is_left(&RgbImage::from_pixel(64, 64, Rgb([92; 3]))));
    }

    proptest! {
        #[test]
        fn a_line_is_found_again(slope in 0.01f64..3.0, values in prop::collection::vec(0.0f64..255.0, 2..40)) {
            prop_assume!(values.iter().any(|value| (value - values[0]).abs() > 1e-3));
            let after: Vec<f64> = values.iter().map(|value| 7.0 + slope * value).collect();
            let [found, correlation] = line(&values, &after);
            prop_assert!((found - slope).abs() < 1e-6 && (correlation - 1.0).abs() < 1e-6);
        }
    }
}
