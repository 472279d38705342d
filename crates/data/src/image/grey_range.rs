//! Range of the grey levels of an image. Single pixels do not count, because one hot pixel or a mark burnt in at full
//! white would hide a dark image:
//!
//! - Samples of the highest value are left out while they are at most one in [`MARKS`].
//! - Of the rest, the lowest and the highest of every [`OUTLIERS`] samples are left out, at least one pixel each.
//! - In images of fewer than [`FEW`] pixels nothing is left out.

use image::RgbImage;

/// Smallest distance of the lowest and the highest level of an 8-bit image that is not narrow: an eighth of 256.
const NARROW: u8 = 32;
/// One in this many samples may be a mark of full white.
const MARKS: usize = 20;
/// One in this many samples is left out at either end.
const OUTLIERS: usize = 1000;
/// Number of pixels below which no sample is left out.
const FEW: usize = 64;

/// Range of the grey levels of an 8-bit image, of all colours together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GreyRange {
    /// Lowest level without outliers.
    pub low: u8,
    /// Highest level without outliers.
    pub high: u8,
    /// Whether all pixels are equal.
    pub uniform: bool,
}

impl GreyRange {
    /// Measures an image. An image without pixels is uniform.
    #[must_use]
    pub fn of(picture: &RgbImage) -> Self {
        let mut counts = vec![0usize; 1 << 8];
        picture.as_raw().iter().for_each(|sample| counts[usize::from(*sample)] += 1);
        let pixels = picture.as_raw().len() / 3;
        let (low, high) = sample_range(&mut counts, pixels, 3).unwrap_or((0, 0));
        let first = picture.pixels().next();
        let uniform = picture.pixels().all(|pixel| Some(pixel) == first);
        Self { low: low as u8, high: high as u8, uniform }
    }

    /// Returns whether the levels, of more than one colour, fill less than an eighth of the range.
    #[must_use]
    pub fn is_narrow(self) -> bool {
        !self.uniform && self.high - self.low < NARROW
    }
}

/// Returns one warning for all images with narrow ranges, and one for all images of one colour. `images` holds the name
/// and the range of each image.
#[must_use]
pub fn range_warnings<'a>(images: impl IntoIterator<Item = (&'a str, GreyRange)>) -> Vec<String> {
    let (mut narrow, mut uniform) = (Vec::new(), Vec::new());
    for (name, range) in images {
        if range.is_narrow() {
            narrow.push((name, range));
        } else if range.uniform {
            uniform.push(name);
        }
    }
    let mut warnings = Vec::new();
    if let Some((name, _)) = narrow.first() {
        // A power of two, because values of fewer bits were probably stored without scaling.
        let levels = narrow.iter().map(|(_, range)| u16::from(range.high - range.low) + 1).max().unwrap_or(1);
        let levels = levels.next_power_of_two();
        let use_levels = if narrow.len() == 1 { "image uses" } else { "images use" };
        warnings.push(format!(
            "{} {use_levels} at most {levels} of 256 grey levels, such as {name}: probably 12-bit values that were cut to \
             8 bits -> export again, with a window that maps the values to 0 to 255",
            narrow.len()
        ));
    }
    if let Some(name) = uniform.first() {
        let show = if uniform.len() == 1 { "image shows" } else { "images show" };
        warnings.push(format!(
            "{} {show} one colour only, such as {name} -> check how the image was exported, or leave the case out",
            uniform.len()
        ));
    }
    warnings
}

/// Returns the lowest and the highest sample without outliers; None without samples. `counts` holds the number of
/// samples of each value, `pixels` is the number of pixels and `colours` the number of samples of a pixel.
pub(super) fn sample_range(counts: &mut [usize], pixels: usize, colours: usize) -> Option<(usize, usize)> {
    let mut outliers = 0;
    if pixels >= FEW {
        if let Some(white) = counts.last_mut().filter(|white| **white <= pixels * colours / MARKS) {
            *white = 0;
        }
        outliers = (counts.iter().sum::<usize>() / OUTLIERS).max(colours);
    }
    let low = beyond(counts.iter().copied().enumerate(), outliers)?;
    let high = beyond(counts.iter().copied().enumerate().rev(), outliers)?;
    Some((low, high))
}

/// Returns the first value, in the order of `counts`, that is not among the first `outliers` samples.
fn beyond(counts: impl Iterator<Item = (usize, usize)>, outliers: usize) -> Option<usize> {
    let mut passed = 0;
    counts
        .map(|(value, count)| {
            passed += count;
            (value, passed)
        })
        .find(|(_, passed)| *passed > outliers)
        .map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn range(value: impl Fn(u32) -> u8) -> GreyRange {
        GreyRange::of(&RgbImage::from_fn(32, 32, |x, y| Rgb([value(32 * y + x); 3])))
    }

    #[test]
    fn images_that_fill_less_than_an_eighth_of_the_range_are_narrow() {
        for (levels, expected) in [(2, true), (16, true), (32, true), (33, false), (256, false)] {
            assert_eq!(range(|place| (place % levels) as u8).is_narrow(), expected, "{levels}");
            let offset = range(|place| (place % levels) as u8 + if levels < 100 { 120 } else { 0 });
            assert_eq!(offset.is_narrow(), expected, "{levels} with an offset");
        }
        assert!(range(|place| if place < 40 { 255 } else { (place % 16) as u8 }).is_narrow(), "with a mark in white");
        assert!(!range(|place| if place % 9 == 0 { 255 } else { 0 }).is_narrow(), "black and white");
        for value in [0, 7, 255] {
            let plain = range(|_| value);
            assert!(plain.uniform && !plain.is_narrow(), "{value}");
        }
    }

    #[test]
    fn warnings_count_images_and_name_the_first() {
        let (dark, plain, good) = (range(|place| (place % 13) as u8), range(|_| 9), range(|place| (place / 4) as u8));
        assert_eq!(range_warnings([("a", good)]), [""; 0]);
        let said = range_warnings([("a", good), ("b", dark), ("c", plain), ("d", dark)]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("2 images use at most 16 of 256 grey levels, such as b: "), "{said:?}");
        assert!(said[1].starts_with("1 image shows one colour only, such as c -> "), "{said:?}");
    }
}
