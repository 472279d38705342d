//! Near-duplicate images: one image stored twice (resized, compressed again, with other grey levels, mirrored, rotated
//! or inverted), two slices of one scan, or two overlapping fields of one slide.
//!
//! The difference hash alone does not suffice: hashes of standard views of different patients can differ in only one
//! bit. The hash therefore only selects the pairs to compare; the correlation of small thumbnails decides. Of most pairs an
//! outline of the thumbnails shows that it is too small. Mirrored, rotated and inverted copies are found by the hashes and
//! thumbnails of the transformed thumbnail, so no image is decoded for them a second time. Padded copies are found by the
//! thumbnails of the images without uniform borders. Copies that are rotated by other angles, cropped, padded, shifted, framed
//! or written on are found by keypoints ([`Details`]).

mod band;
mod border;
mod bytes;
mod change;
mod copies;
mod fingerprint;
mod hash_search;
mod outline;
mod take;
mod thumbnail;
mod transform;

use std::cell::LazyCell;
use std::collections::BTreeMap;

use crate::parallel;
use copies::copies;
use hash_search::judge_near;
use outline::Outline;

pub use change::Change;
pub use copies::{Details, Pose};
pub use fingerprint::Fingerprint;
pub use thumbnail::{CORRELATION, Thumbnail};
pub use transform::Transform;

/// Largest number of differing bits, of 64, of the hashes of two images that are compared by their thumbnails.
pub const CANDIDATE_BITS: u32 = 6;

/// Smallest Pearson correlation of the thumbnails of an image and of a mirrored, rotated or inverted copy.
///
/// Larger than [`CORRELATION`], because brains and chests are nearly symmetric. Measured on the same data: mirrored,
/// rotated and inverted images of different patients reach at most 0.94, synthetic images at most 0.96, copies at least
/// 0.997.
pub const TRANSFORMED_CORRELATION: f64 = 0.98;

/// Two images that are near-duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearDuplicate {
    /// Index of the first image.
    pub one: usize,
    /// Index of the second image, larger than `one`.
    pub other: usize,
    /// Change that makes the second image of the first one; None if the images are near as they are.
    pub change: Option<Change>,
}

/// Finds the pairs of near-duplicates among images with the fingerprints `images`.
///
/// Only pairs of indices, the smaller one first, for which `wanted` is true are compared. Returns the pairs in ascending
/// order; empty when there are none. Of several transforms of a pair the one with the largest correlation is returned.
pub fn near_duplicates(images: &[&Fingerprint], wanted: impl Fn(usize, usize) -> bool + Sync) -> Vec<NearDuplicate> {
    let wanted = |one: usize, other: usize| one < other && wanted(one, other);
    let whole: Vec<View<'_>> =
        images.iter().enumerate().map(|(image, print)| View::of(image, &print.thumbnail, false)).collect();

    let hashes: Vec<u64> = images.iter().map(|image| image.hash).collect();
    let judge = |one: usize, others: &[usize]| {
        let (one, outline) = (&whole[one], whole[one].outline.as_ref());
        let is_near =
            |other: &&View<'_>| other.may_correlate(outline, CORRELATION) && one.thumbnail.is_near(other.thumbnail);
        let near = others.iter().map(|other| &whole[*other]).filter(is_near);
        near.map(|other| ((one.image, other.image), None)).collect()
    };
    let pairs = judge_near(&hashes, &hashes, CANDIDATE_BITS, wanted, judge);
    let mut found: BTreeMap<(usize, usize), Option<Change>> = pairs.into_iter().collect();

    let is_new = |one: &View<'_>, other: &View<'_>| {
        wanted(one.image, other.image) && !found.contains_key(&(one.image, other.image))
    };
    for (pair, transform) in transformed_pairs(&whole, Transform::all(), is_new) {
        found.insert(pair, Some(Change::Transform(transform)));
    }

    let contents: Vec<View<'_>> = images
        .iter()
        .enumerate()
        .flat_map(|(image, print)| print.contents.iter().map(move |content| View::of(image, content, true)))
        .collect();
    if !contents.is_empty() {
        let mut views: Vec<View<'_>> = whole.into_iter().chain(contents).collect();
        views.sort_by_key(|view| view.image);
        let is_new = |one: &View<'_>, other: &View<'_>| {
            (one.is_content || other.is_content)
                && wanted(one.image, other.image)
                && !found.contains_key(&(one.image, other.image))
        };
        let transforms = std::iter::once(Transform::default()).chain(Transform::all());
        for (pair, transform) in transformed_pairs(&views, transforms, is_new) {
            found.insert(pair, Some(Change::Border(transform)));
        }
    }

    let details: Vec<&Details> = images.iter().map(|image| &image.details).collect();
    for (pair, pose) in copies(&details, &wanted) {
        found.entry(pair).or_insert(Some(Change::Pose(pose)));
    }
    found.into_iter().map(|((one, other), change)| NearDuplicate { one, other, change }).collect()
}

/// Thumbnail of an image as a whole, or of a content of it without uniform borders.
struct View<'t> {
    /// Index of the image.
    image: usize,
    thumbnail: &'t Thumbnail,
    /// None for a uniform thumbnail.
    outline: Option<Outline>,
    hash: u64,
    is_content: bool,
}

impl<'t> View<'t> {
    fn of(image: usize, thumbnail: &'t Thumbnail, is_content: bool) -> Self {
        Self { image, thumbnail, outline: Outline::of(thumbnail), hash: thumbnail.hash(), is_content }
    }

    /// Returns whether the thumbnail can correlate by at least `least` with one of the outline `other`. True where one of
    /// them is uniform.
    fn may_correlate(&self, other: Option<&Outline>, least: f64) -> bool {
        self.outline.as_ref().zip(other).is_none_or(|(one, other)| one.most_correlation(other) >= least)
    }
}

/// Finds the pairs of images of which a view of the first one, after one of the `transforms`, correlates with a view of the
/// second one by at least [`TRANSFORMED_CORRELATION`]. `views` are in the order of their images. Of several transforms the one
/// with the largest correlation is returned, of equal ones the first.
fn transformed_pairs(
    views: &[View<'_>],
    transforms: impl Iterator<Item = Transform>,
    wanted: impl Fn(&View<'_>, &View<'_>) -> bool + Sync,
) -> BTreeMap<(usize, usize), Transform> {
    let wanted = |one: usize, other: usize| wanted(&views[one], &views[other]);
    let hashes: Vec<u64> = views.iter().map(|view| view.hash).collect();
    let mut found: BTreeMap<(usize, usize), (Transform, f64)> = BTreeMap::new();
    for transform in transforms {
        let transformed = parallel::map(views, |view| view.thumbnail.transformed(transform).hash());
        let judge = |one: usize, others: &[usize]| {
            let one = &views[one];
            let outline = one.outline.as_ref().map(|outline| outline.transformed(transform));
            let copy = LazyCell::new(|| one.thumbnail.transformed(transform));
            let correlated = |other: &View<'_>| {
                let correlation = copy.correlation(other.thumbnail)?;
                (correlation > TRANSFORMED_CORRELATION).then_some(((one.image, other.image), correlation))
            };
            let may_correlate = |other: &&View<'_>| other.may_correlate(outline.as_ref(), TRANSFORMED_CORRELATION);
            others.iter().map(|other| &views[*other]).filter(may_correlate).filter_map(correlated).collect()
        };
        for (pair, correlation) in judge_near(&transformed, &hashes, CANDIDATE_BITS, wanted, judge) {
            if found.get(&pair).is_none_or(|(_, best)| correlation > *best) {
                found.insert(pair, (transform, correlation));
            }
        }
    }
    found.into_iter().map(|(pair, (transform, _))| (pair, transform)).collect()
}

#[cfg(test)]
mod tests {
    use image::imageops::{FilterType, resize};
    use image::{Rgb, RgbImage};

    use super::*;

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

    fn pairs(pictures: &[RgbImage], wanted: impl Fn(usize, usize) -> bool + Sync) -> Vec<(usize, usize, String)> {
        let fingerprints: Vec<Fingerprint> = pictures.iter().map(Fingerprint::of).collect();
        let found = near_duplicates(&fingerprints.iter().collect::<Vec<_>>(), wanted);
        let words = |change: Option<Change>| change.map_or_else(String::new, |found| found.to_string());
        found.into_iter().map(|pair| (pair.one, pair.other, words(pair.change))).collect()
    }

    #[test]
    fn only_wanted_pairs_are_found() {
        let pictures = [body(1, 80, 60), body(2, 80, 60), body(1, 160, 120), body(1, 81, 61)];
        let plain = |one, other| (one, other, String::new());
        assert_eq!(pairs(&pictures, |_, _| true), [plain(0, 2), plain(0, 3), plain(2, 3)]);
        assert_eq!(pairs(&pictures, |one, _| one == 2), [plain(2, 3)]);
        // Equal hashes of different images do not make near-duplicates.
        let mut fingerprints: Vec<Fingerprint> = pictures[..2].iter().map(Fingerprint::of).collect();
        fingerprints.iter_mut().for_each(|fingerprint| fingerprint.hash = 5);
        assert_eq!(near_duplicates(&fingerprints.iter().collect::<Vec<_>>(), |_, _| true), []);
    }

    #[test]
    fn mirrored_rotated_and_inverted_copies_are_found_and_named() {
        use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
        let picture = body(1, 200, 150);
        let inverted = |picture: &RgbImage| {
            let mut picture = picture.clone();
            picture.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| 255 - value));
            picture
        };
        let transposed = flip_horizontal(&rotate270(&picture));
        let copies = [
            (flip_horizontal(&picture), "mirrored left to right"),
            (flip_vertical(&picture), "mirrored top to bottom"),
            (rotate90(&picture), "rotated by 90 degrees clockwise"),
            (rotate180(&picture), "rotated by 180 degrees"),
            (rotate270(&picture), "rotated by 270 degrees clockwise"),
            (transposed, "mirrored and rotated by 90 degrees clockwise"),
            (rotate90(&flip_horizontal(&picture)), "mirrored and rotated by 90 degrees clockwise"),
            (rotate270(&flip_horizontal(&picture)), "mirrored and rotated by 270 degrees clockwise"),
            (inverted(&picture), "inverted"),
            (inverted(&rotate90(&picture)), "rotated by 90 degrees clockwise and inverted"),
        ];
        for (copy, words) in copies {
            let mut dimmer = resize(&copy, 90, 90, FilterType::Triangle);
            dimmer.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value / 4 + 9));
            for copy in [copy, dimmer] {
                let found = pairs(&[picture.clone(), body(2, 90, 90), copy], |_, _| true);
                assert_eq!(found, [(0, 2, words.to_owned())]);
            }
        }
    }

    /// The image with `across` pixels of a grey level at the left and the right, and `down` pixels above and below.
    fn padded(picture: &RgbImage, (across, down): (u32, u32), level: u8) -> RgbImage {
        let (width, height) = picture.dimensions();
        let mut larger = RgbImage::from_pixel(width + 2 * across, height + 2 * down, Rgb([level; 3]));
        image::imageops::overlay(&mut larger, picture, across.into(), down.into());
        larger
    }

    #[test]
    fn padded_copies_are_found_and_named_in_both_directions() {
        use image::imageops::{flip_horizontal, rotate90};
        let picture = body(1, 200, 150);
        let smaller = resize(&padded(&picture, (20, 15), 255), 110, 90, FilterType::Triangle);
        for (copy, words) in [
            (padded(&picture, (20, 15), 255), "with another border"),
            (smaller, "with another border"),
            (padded(&picture, (0, 25), 0), "with another border"),
            (padded(&flip_horizontal(&picture), (20, 15), 0), "mirrored left to right and with another border"),
            (padded(&rotate90(&picture), (15, 20), 7), "rotated by 90 degrees clockwise and with another border"),
        ] {
            for (pictures, expected) in [
                ([picture.clone(), body(2, 90, 90), copy.clone()], (0, 2)),
                ([copy.clone(), body(2, 90, 90), picture.clone()], (0, 2)),
                ([padded(&body(2, 90, 90), (9, 9), 255), padded(&picture, (9, 6), 0), copy.clone()], (1, 2)),
            ] {
                let found: Vec<(usize, usize)> =
                    pairs(&pictures, |_, _| true).iter().map(|pair| (pair.0, pair.1)).collect();
                assert_eq!(found, [expected], "{words}, {:?}", copy.dimensions());
            }
            assert_eq!(pairs(&[picture.clone(), copy], |_, _| true), [(0, 1, words.to_owned())]);
        }
    }

    #[test]
    fn a_padded_copy_is_found_after_jpeg_compression() {
        let picture = body(1, 200, 150);
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 60);
        padded(&picture, (20, 15), 255).write_with_encoder(encoder).expect("encodes");
        let copy = image::load_from_memory(&bytes).expect("decodes").to_rgb8();
        assert_eq!(pairs(&[picture, copy], |_, _| true), [(0, 1, "with another border".to_owned())]);
    }

    #[test]
    fn different_images_with_equal_borders_are_no_copies() {
        let pictures: Vec<RgbImage> = (0..8).map(|seed| padded(&body(seed, 90, 90), (9, 9), 255)).collect();
        assert_eq!(pairs(&pictures, |_, _| true), []);
    }

    #[test]
    fn symmetric_copies_and_uniform_images_are_no_transformed_copies() {
        let half = body(1, 100, 100);
        let symmetric = RgbImage::from_fn(200, 100, |x, y| *half.get_pixel(x.min(199 - x), y));
        assert_eq!(pairs(&[symmetric.clone(), symmetric], |_, _| true), [(0, 1, String::new())]);
        let plain = |level| RgbImage::from_pixel(40, 30, Rgb([level; 3]));
        assert_eq!(pairs(&[plain(0), plain(255), plain(7)], |_, _| true), []);
    }
}
