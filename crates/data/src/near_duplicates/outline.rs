//! Outlines of thumbnails: few numbers that show of most pairs of thumbnails that they do not correlate.
//!
//! Among images of one view, a fixed part of all pairs has similar hashes, so that the pairs to compare grow with the square
//! of the images. Comparing outlines keeps each of them cheap.

use super::thumbnail::{SIDE, Thumbnail};
use super::transform::Transform;

/// Side of an outline in cells.
const CELLS: usize = 8;

/// Side of a cell in values of a thumbnail.
const CELL: usize = SIDE as usize / CELLS;

/// Rounding of the numbers of an outline changes a correlation by less.
const ROUNDING: f32 = 1e-4;

/// Sums of a thumbnail of mean 0 and length 1 over 8 x 8 cells, scaled so that they are coordinates, and the length of what
/// they leave out.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    cells: [f32; CELLS * CELLS],
    rest: f32,
}

impl Outline {
    /// Computes the outline of a thumbnail; None for a uniform thumbnail, which correlates with nothing.
    pub(super) fn of(thumbnail: &Thumbnail) -> Option<Self> {
        let values = thumbnail.values();
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>();
        if square == 0.0 {
            return None;
        }
        let mut cells = [0.0; CELLS * CELLS];
        for (place, value) in values.iter().enumerate() {
            let (row, column) = (place / SIDE as usize, place % SIDE as usize);
            cells[row / CELL * CELLS + column / CELL] += (f64::from(*value) - mean) / (square.sqrt() * CELL as f64);
        }
        let rest = (1.0 - cells.iter().map(|cell| cell * cell).sum::<f64>()).max(0.0).sqrt();
        Some(Self { cells: cells.map(|cell| cell as f32), rest: rest as f32 })
    }

    /// Returns the outline of the transformed thumbnail.
    pub(super) fn transformed(&self, transform: Transform) -> Self {
        let sign = if transform.inverted { -1.0 } else { 1.0 };
        let cells = std::array::from_fn(|place| {
            let (row, column) = transform.source(place / CELLS, place % CELLS, CELLS);
            sign * self.cells[row * CELLS + column]
        });
        Self { cells, rest: self.rest }
    }

    /// Returns an upper bound of the correlation of the two thumbnails: the product of the cells, and what the rests can
    /// add to it at most (Cauchy-Schwarz inequality).
    pub(super) fn most_correlation(&self, other: &Self) -> f64 {
        let cells: f32 = self.cells.iter().zip(&other.cells).map(|(one, other)| one * other).sum();
        f64::from(cells + self.rest * other.rest + ROUNDING)
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_pair_correlates_by_more_than_the_bound(
            pixels in prop::collection::vec(any::<u8>(), 3 * 64), fine: u8, kind in 0usize..16, likeness in 0u8..5,
        ) {
            let image = |seed: usize| RgbImage::from_fn(48, 40, |x, y| {
                let (x, y) = (x as usize, y as usize);
                let own = u32::from(pixels[64 * seed + y / 5 * 8 + x / 6]);
                let common = u32::from(pixels[128 + y / 5 * 8 + x / 6]);
                let level = (own * u32::from(4 - likeness) + common * u32::from(likeness)) / 4;
                Rgb([(level as u8).wrapping_add((x * y * seed) as u8 % (fine % 64 + 1)); 3])
            });
            let transform = std::iter::once(Transform::default()).chain(Transform::all()).nth(kind).expect("of 16");
            let (one, other) = (Thumbnail::of(&image(0)), Thumbnail::of(&image(1)));
            let copy = one.transformed(transform);
            if let (Some(outline), Some(of_other)) = (Outline::of(&one), Outline::of(&other)) {
                let moved = outline.transformed(transform);
                let bound = moved.most_correlation(&of_other);
                prop_assert!(copy.correlation(&other).expect("not uniform") <= bound);
                let again = Outline::of(&copy).expect("not uniform");
                prop_assert!(moved.cells.iter().zip(&again.cells).all(|(a, b)| (a - b).abs() < 1e-5));
                prop_assert!(outline.most_correlation(&outline) < 1.001);
            }
        }
    }

    #[test]
    fn a_uniform_thumbnail_has_no_outline() {
        assert!(Outline::of(&Thumbnail::of(&RgbImage::from_pixel(40, 30, Rgb([9; 3])))).is_none());
    }
}
