//! Near-duplicate images: one image stored twice (resized, compressed again, with other grey levels), two slices of one
//! scan, or two overlapping fields of one slide.
//!
//! The difference hash alone does not suffice: hashes of standard views of different patients can differ in only one
//! bit. The hash therefore only selects the pairs to compare; the correlation of small thumbnails decides.

use std::collections::{BTreeMap, BTreeSet};

use image::RgbImage;

use crate::dhash::{luma_sums, pairs_within};
use crate::parallel;

/// Largest number of differing bits, of 64, of the hashes of two images that are compared by their thumbnails.
pub const CANDIDATE_BITS: u32 = 6;

/// Smallest Pearson correlation of the thumbnails of two near-duplicates.
///
/// Measured on chest X-rays, brain slices and blood smears: different patients reach at most 0.92; slices of one scan
/// reach at least 0.95, copies at least 0.997.
pub const CORRELATION: f64 = 0.95;

const SIDE: u32 = 32;

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
        // Pearson's correlation. `cross` computes n^2 times the covariance or variance in whole numbers.
        let count = self.0.len() as i64;
        let sum = |values: &[u16]| values.iter().map(|value| i64::from(*value)).sum::<i64>();
        let product = |a: &[u16], b: &[u16]| a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>();
        let cross = |a: &[u16], b: &[u16]| (count * product(a, b) - sum(a) * sum(b)) as f64;
        let (one, another) = (cross(&self.0, &self.0), cross(&other.0, &other.0));
        // Uniform images have no correlation; they are duplicates when their grey level is equal.
        self == other
            || (one > 0.0 && another > 0.0 && cross(&self.0, &other.0) >= CORRELATION * (one * another).sqrt())
    }
}

/// Finds the pairs of near-duplicates among images with the difference hashes `hashes`.
///
/// Only pairs for which `wanted` is true are compared. `thumbnail` is called with an index into `hashes`, at most once
/// for each image, on all CPU threads; an image for which it returns None has no near-duplicates. Returns the pairs of
/// indices in ascending order, the smaller index of each pair first; empty when there are none.
pub fn near_duplicates(
    hashes: &[u64],
    wanted: impl Fn(usize, usize) -> bool,
    thumbnail: impl Fn(usize) -> Option<Thumbnail> + Sync,
) -> Vec<(usize, usize)> {
    let mut pairs = pairs_within(hashes, CANDIDATE_BITS);
    pairs.retain(|(one, other)| wanted(*one, *other));
    let places: BTreeSet<usize> = pairs.iter().flat_map(|(one, other)| [*one, *other]).collect();
    let places: Vec<usize> = places.into_iter().collect();
    let made = parallel::map(&places, |place| thumbnail(*place));
    let made: BTreeMap<usize, Thumbnail> =
        places.into_iter().zip(made).filter_map(|(place, thumbnail)| Some((place, thumbnail?))).collect();
    pairs.retain(
        |(one, other)| matches!((made.get(one), made.get(other)), (Some(one), Some(other)) if one.is_near(other)),
    );
    pairs
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use image::imageops::{FilterType, resize};
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::dhash::phash;

    /// A grey image with spots placed by `seed`.
    fn body(seed: u64, width: u32, height: u32) -> RgbImage {
        use rand::Rng;
        let mut dice = crate::random::stream(seed, &["near"]);
        let spots: Vec<[f64; 3]> =
            (0..25).map(|_| [dice.random(), dice.random(), dice.random_range(-60.0..60.0)]).collect();
        RgbImage::from_fn(width, height, |x, y| {
            let (x, y) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
            let spot = |[cx, cy, level]: &[f64; 3]| level * (-((x - cx).powi(2) + (y - cy).powi(2)) / 0.006).exp();
            Rgb([(110.0 + spots.iter().map(spot).sum::<f64>()) as u8; 3])
        })
    }

    #[test]
    fn copies_are_near_duplicates_and_other_images_are_not() {
        let picture = body(1, 200, 150);
        let thumbnail = Thumbnail::of(&picture);
        let smaller = resize(&picture, 90, 70, FilterType::Triangle);
        let mut dimmer = picture.clone();
        dimmer.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value / 4 + 9));
        let mut marked = picture.clone();
        (0..5).for_each(|x| (0..5).for_each(|y| marked.put_pixel(x, y, Rgb([255; 3]))));
        for copy in [&picture, &smaller, &dimmer, &marked] {
            assert!(thumbnail.is_near(&Thumbnail::of(copy)));
        }
        let mut negative = picture;
        negative.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| 255 - value));
        assert!(!thumbnail.is_near(&Thumbnail::of(&negative)));
        assert!((2..12).all(|seed| !thumbnail.is_near(&Thumbnail::of(&body(seed, 200, 150)))));
    }

    #[test]
    fn plain_images_are_near_duplicates_only_when_equal() {
        let plain = |level| Thumbnail::of(&RgbImage::from_pixel(40, 30, Rgb([level; 3])));
        assert!(
            plain(9).is_near(&plain(9))
                && !plain(9).is_near(&plain(10))
                && !plain(9).is_near(&Thumbnail::of(&body(1, 9, 9)))
        );
    }

    #[test]
    fn only_wanted_candidates_are_loaded_and_each_once() {
        let pictures = [body(1, 80, 60), body(2, 80, 60), body(1, 160, 120), body(1, 81, 61)];
        let hashes: Vec<u64> = pictures.iter().map(phash).collect();
        let looked = Mutex::new(Vec::new());
        let look = |place: usize| {
            looked.lock().expect("no thread panics").push(place);
            Some(Thumbnail::of(&pictures[place]))
        };
        assert_eq!(near_duplicates(&hashes, |_, _| true, look), [(0, 2), (0, 3), (2, 3)]);
        assert_eq!(near_duplicates(&hashes, |one, _| one == 2, look), [(2, 3)]);
        let mut looked = looked.into_inner().expect("no thread panics");
        looked.sort_unstable();
        assert_eq!(looked, [0, 2, 2, 3, 3]);
        // Equal hashes of different images do not make near-duplicates.
        assert_eq!(near_duplicates(&[5, 5], |_, _| true, |place| Some(Thumbnail::of(&pictures[place]))), []);
        assert_eq!(near_duplicates(&[5, 5], |_, _| true, |_| None), []);
    }
}
