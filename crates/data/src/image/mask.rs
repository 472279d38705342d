//! Masks: the pixels of an image file that are not zero.

use std::path::Path;

use super::{ImageError, decode, read_file};

/// A set of pixels of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mask {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether each pixel is inside, row by row; `width * height` values.
    pub inside: Vec<bool>,
}

/// Reads a mask from an image file. A pixel is inside where any of its colour samples is not zero; alpha is ignored.
/// Samples are compared as they are stored, so a 16-bit mask may hold small numbers.
///
/// # Errors
/// When the file cannot be read, is longer than [`super::MAX_FILE_BYTES`], is neither PNG nor JPEG, is a CMYK JPEG,
/// exceeds [`super::MAX_DIMENSION`] or [`super::MAX_PIXELS`], or is cut off or damaged.
pub fn load_mask(path: &Path) -> Result<Mask, ImageError> {
    // Conversion to 16 bits keeps every sample that is not zero above zero; conversion to 8 bits does not.
    let samples = decode(&read_file(path)?, path)?.into_rgb16();
    let (width, height) = samples.dimensions();
    Ok(Mask { width, height, inside: samples.pixels().map(|pixel| pixel.0 != [0; 3]).collect() })
}

impl Mask {
    /// Returns the box `[x0, y0, x1, y1]` in pixels around the pixels inside, half-open; None when the mask is empty.
    #[must_use]
    pub fn bounds(&self) -> Option<[f64; 4]> {
        let mut bounds: Option<[u32; 4]> = None;
        for (x, y) in self.pixels() {
            let [x0, y0, x1, y1] = bounds.unwrap_or([x, y, x, y]);
            bounds = Some([x0.min(x), y0.min(y), x1.max(x + 1), y1.max(y + 1)]);
        }
        bounds.map(|bounds| bounds.map(f64::from))
    }

    /// Returns the number of pixels inside.
    #[must_use]
    pub fn area(&self) -> usize {
        self.inside.iter().filter(|inside| **inside).count()
    }

    /// Returns the number of pixels inside both masks. The masks must have the same size; otherwise the number has no
    /// meaning.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> usize {
        self.inside.iter().zip(&other.inside).filter(|(one, other)| **one && **other).count()
    }

    /// Returns the mean `[x, y]`, in pixels, of the centres of the pixels inside; None when the mask is empty.
    #[must_use]
    pub fn centroid(&self) -> Option<[f64; 2]> {
        let (mut count, mut sum_x, mut sum_y) = (0u64, 0u64, 0u64);
        for (x, y) in self.pixels() {
            (count, sum_x, sum_y) = (count + 1, sum_x + u64::from(x), sum_y + u64::from(y));
        }
        (count > 0).then(|| [sum_x as f64 / count as f64 + 0.5, sum_y as f64 / count as f64 + 0.5])
    }

    /// Iterates over the pixels `(x, y)` inside, row by row.
    pub(super) fn pixels(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let width = self.width.max(1) as usize;
        let inside = self.inside.iter().enumerate().filter(|(_, inside)| **inside);
        inside.map(move |(place, _)| ((place % width) as u32, (place / width) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_knows_its_bounds_area_and_centre() {
        let mut mask = Mask { width: 4, height: 3, inside: vec![false; 12] };
        assert_eq!((mask.bounds(), mask.centroid(), mask.area()), (None, None, 0));
        mask.inside[5] = true;
        mask.inside[10] = true;
        assert_eq!(mask.bounds(), Some([1.0, 1.0, 3.0, 3.0]));
        assert_eq!(mask.centroid(), Some([2.0, 2.0]));
        assert_eq!((mask.area(), mask.overlap(&mask)), (2, 2));
    }
}
