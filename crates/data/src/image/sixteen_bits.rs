//! Refusal of 16-bit images whose samples fill a small part of the 16-bit range.
//!
//! CT scanners and X-ray detectors give 10 to 14 bits, and many programs store these values in 16-bit files as they
//! are. Samples are scaled over the whole 16-bit range, so a 12-bit image would use 16 of 256 levels and look black. A
//! file does not say which mapping to 8 bits is meant, so none is guessed.
//!
//! The rule: the lowest and the highest sample must be at least [`NARROW`] apart, without single pixels
//! ([`super::grey_range`]). The distance is compared, not the highest sample, because signed values are often stored
//! with an offset of 32,768: they come out uniformly grey. Zeros far below all other samples are padding around such
//! an image and do not count.
//!
//! Images that are black all over, or white, pass: these two values mean the same under every mapping. Alpha does not
//! count.

use std::path::Path;

use image::DynamicImage;

use super::error::ImageError;
use super::grey_range::sample_range;

/// Smallest distance of the lowest and the highest sample: an eighth of the 16-bit range.
const NARROW: u16 = 8192;

/// Refuses a 16-bit image whose samples fill less than an eighth of the 16-bit range. Other images pass. `path` is used
/// in error messages only.
///
/// # Errors
/// [`ImageError::NarrowRange`] with the values found.
pub fn check(picture: &DynamicImage, path: &Path) -> Result<(), ImageError> {
    let found = match picture {
        DynamicImage::ImageLuma16(picture) => range(picture.as_raw(), 1, 1),
        DynamicImage::ImageLumaA16(picture) => range(picture.as_raw(), 2, 1),
        DynamicImage::ImageRgb16(picture) => range(picture.as_raw(), 3, 3),
        DynamicImage::ImageRgba16(picture) => range(picture.as_raw(), 4, 3),
        _ => None,
    };
    match found {
        Some((low, high, largest)) if high != 0 && low != u16::MAX && high - low < NARROW => {
            Err(ImageError::NarrowRange { path: path.to_owned(), low, high, largest })
        }
        _ => Ok(()),
    }
}

/// Returns the range of the samples ([`sample_range`]) without padding, and the highest sample of all; None without samples. Of the
/// `channels` samples of each pixel the first `colours` are counted.
fn range(samples: &[u16], channels: usize, colours: usize) -> Option<(u16, u16, u16)> {
    let mut counts = vec![0usize; 1 << 16];
    for pixel in samples.chunks_exact(channels) {
        pixel[..colours].iter().for_each(|sample| counts[usize::from(*sample)] += 1);
    }
    let largest = counts.iter().rposition(|count| *count > 0)? as u16;
    let pixels = samples.len() / channels;
    if counts[0] > 0 && counts[1..usize::from(NARROW)].iter().all(|count| *count == 0) {
        let mut padded = counts.clone();
        padded[0] = 0;
        // Two values, as in a mask, are told apart under every mapping.
        if let Some((low, high)) = sample_range(&mut padded, pixels, colours).filter(|(low, high)| low < high) {
            return Some((low as u16, high as u16, largest));
        }
    }
    let (low, high) = sample_range(&mut counts, pixels, colours)?;
    Some((low as u16, high as u16, largest))
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;

    /// A 16-bit image of 32 x 32 pixels; `value` gets the number of each pixel, 0 to 1023.
    fn grey(value: impl Fn(u32) -> u16) -> DynamicImage {
        ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(32, 32, |x, y| Luma([value(32 * y + x)])).into()
    }

    fn passes(picture: &DynamicImage) -> bool {
        check(picture, Path::new("scan.png")).is_ok()
    }

    #[test]
    fn values_of_10_to_13_bits_are_refused_and_wider_ones_pass() {
        for (step, expected) in [(1, false), (4, false), (7, false), (9, true), (16, true), (64, true)] {
            assert_eq!(passes(&grey(|place| (place * step) as u16)), expected, "{step}");
        }
        let message = check(&grey(|place| (place * 4) as u16 + 3), Path::new("scan.png")).expect_err("12 bits");
        let message = message.to_string();
        assert!(message.starts_with("scan.png: is a 16-bit image with values up to 4095, nearly all"), "{message}");
        assert!(message.contains(" -> convert it to 8 bits"), "{message}");
    }

    #[test]
    fn signed_values_with_an_offset_are_refused() {
        assert!(!passes(&grey(|place| 32_768 - 1024 + (place * 4) as u16)));
    }

    #[test]
    fn padding_does_not_hide_values_with_an_offset() {
        for share in [2, 5, 300, 1000] {
            assert!(!passes(&grey(|place| if place < share { 0 } else { 30_000 + (place * 4) as u16 })), "{share}");
        }
        assert!(passes(&grey(|place| if place < 300 { 0 } else { 20_000 + (place * 20) as u16 })), "a wide range");
        assert!(passes(&grey(|place| if place < 300 { 0 } else { 40_000 })), "a mask");
    }

    #[test]
    fn hot_pixels_and_burnt_in_marks_do_not_hide_a_dark_image() {
        for spot in [u16::MAX, 50_000] {
            assert!(!passes(&grey(|place| if place == 500 { spot } else { (place * 4) as u16 })), "{spot}");
        }
        // A mark on 40 of 1,024 pixels, and a dead pixel below an image with an offset.
        assert!(!passes(&grey(|place| if place < 40 { u16::MAX } else { (place * 4) as u16 })));
        assert!(!passes(&grey(|place| if place == 9 { 0 } else { 40_000 + (place * 4) as u16 })));
        // More white than a mark has, and more bright pixels than outliers.
        assert!(passes(&grey(|place| if place < 60 { u16::MAX } else { (place * 4) as u16 })));
        assert!(passes(&grey(|place| if place < 5 { 50_000 } else { (place * 4) as u16 })));
    }

    #[test]
    fn images_of_one_value_pass_only_in_black_and_white() {
        for (value, expected) in [(0, true), (u16::MAX, true), (1, false), (4000, false), (30_000, false)] {
            assert_eq!(passes(&grey(|_| value)), expected, "{value}");
        }
        assert!(passes(&grey(|place| if place % 2 == 0 { 0 } else { u16::MAX })), "a binary image");
        assert!(passes(&grey(|place| if place == 7 { u16::MAX } else { 0 })), "black with a hot pixel");
    }

    #[test]
    fn every_colour_type_is_looked_at_and_alpha_is_not() {
        let dark = |x: u32, y: u32| ((32 * y + x) * 4) as u16;
        let alpha = ImageBuffer::<LumaA<u16>, _>::from_fn(32, 32, |x, y| LumaA([dark(x, y), (x * 2000) as u16]));
        let colour = ImageBuffer::<Rgb<u16>, _>::from_fn(32, 32, |x, y| Rgb([dark(x, y), 1, dark(y, x)]));
        let both = ImageBuffer::<Rgba<u16>, _>::from_fn(32, 32, |x, y| Rgba([dark(x, y), 1, 2, (y * 2000) as u16]));
        for picture in [alpha.into(), colour.into(), both.into()] {
            assert!(!passes(&picture), "{:?}", picture.color());
        }
        let one_bright = ImageBuffer::<Rgb<u16>, _>::from_fn(32, 32, |x, y| Rgb([dark(x, y), 1, 16 * dark(y, x)]));
        assert!(passes(&one_bright.into()));
        assert!(passes(&DynamicImage::new_luma8(32, 32)), "8 bits");
    }

    #[test]
    fn every_sample_of_a_tiny_image_counts() {
        let tiny = |values: [u16; 3]| ImageBuffer::<Rgb<u16>, Vec<u16>>::from_pixel(1, 1, Rgb(values)).into();
        assert!(passes(&tiny([0, 128, u16::MAX])));
        assert!(!passes(&tiny([0, 128, 4095])));
        assert!(passes(&DynamicImage::new_luma16(0, 0)));
    }
}
