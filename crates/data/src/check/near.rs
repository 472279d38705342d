//! Rule that near-duplicate images are on one side of the split. The same file on two sides is found by its digest, in
//! [`super::between`].

use std::collections::BTreeSet;

use super::across::{PlacedCase, sides};
use crate::case::Image;
use crate::dataset::{image_below, root_of};
use crate::dhash::{parse_phash, phash};
use crate::near_duplicates::{Thumbnail, near_duplicates};
use crate::parallel;
use crate::problem::Problem;

/// Difference hash and thumbnail of an image, by which near-duplicates are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Difference hash.
    pub hash: u64,
    /// Thumbnail.
    pub thumbnail: Thumbnail,
}

impl Fingerprint {
    /// Computes the fingerprint of an image: its difference hash and its thumbnail.
    #[must_use]
    pub fn of(picture: &image::RgbImage) -> Self {
        Self { hash: phash(picture), thumbnail: Thumbnail::of(picture) }
    }
}

/// Source of the fingerprints of images. Images without a fingerprint have no near-duplicates.
pub enum Fingerprints<'a> {
    /// Recorded hashes, and otherwise the image files. Files are read only where they are needed. Unreadable files have
    /// no near-duplicates; other checks report them.
    Files,
    /// Fingerprints that were computed before, by case and image, both in the order of the compared cases.
    Known(&'a [Vec<Fingerprint>]),
}

/// An image of one of the cases that are compared.
struct Compared<'a> {
    case: usize,
    index: usize,
    image: &'a Image,
    hash: u64,
}

/// Finds images of `cases` with a near-duplicate, but not equal, image in an earlier case on the other side of the
/// split. Returns one problem for each such image, in the order of the cases; empty when there is none.
#[must_use]
pub fn near(cases: &[PlacedCase<'_>], fingerprints: &Fingerprints<'_>) -> Vec<Problem> {
    let other_side = |one: usize, other: usize| cases[one].case.split != cases[other].case.split;
    let problem = |(one, other, index): (usize, usize, usize)| {
        let what = format!("a near-duplicate image is in {}", sides(&[cases[one], cases[other]]));
        let PlacedCase { file, row, .. } = cases[other];
        let problem = Problem::new(file, what, "put both cases into one group, on one side");
        problem.at_row(row).in_field(format!("images[{index}].phash"))
    };
    near_images(cases, other_side, fingerprints).into_iter().map(problem).collect()
}

/// Finds images with a near-duplicate, but not equal, image (by their recorded digests) in an earlier case. Only pairs
/// of cases for which `wanted`, given their indices, is true are compared. Returns for each such image the index of the
/// first of the earlier cases, the index of its own case, and its index in this case, in the order of the cases.
pub fn near_images(
    cases: &[PlacedCase<'_>],
    wanted: impl Fn(usize, usize) -> bool,
    fingerprints: &Fingerprints<'_>,
) -> Vec<(usize, usize, usize)> {
    let read = |case: usize, image: &Image| image_below(root_of(cases[case].file), image).ok();
    let all = cases.iter().enumerate();
    let all: Vec<(usize, usize, &Image)> = all
        .flat_map(|(case, placed)| {
            placed.case.images.iter().enumerate().map(move |(index, image)| (case, index, image))
        })
        .collect();
    let hash = |(case, index, image): &(usize, usize, &Image)| match fingerprints {
        Fingerprints::Files => {
            let recorded = image.phash.as_deref().and_then(parse_phash);
            recorded.or_else(|| read(*case, image).as_ref().map(phash))
        }
        Fingerprints::Known(known) => Some(known.get(*case)?.get(*index)?.hash),
    };
    let hashes = parallel::map(&all, hash);
    let images: Vec<Compared<'_>> = all
        .into_iter()
        .zip(hashes)
        .filter_map(|((case, index, image), hash)| Some(Compared { case, index, image, hash: hash? }))
        .collect();
    let hashes: Vec<u64> = images.iter().map(|image| image.hash).collect();
    let differ = |one: usize, other: usize| {
        images[one].image.sha256 != images[other].image.sha256 && wanted(images[one].case, images[other].case)
    };
    let thumbnail = |place: usize| {
        let Compared { case, index, image, .. } = images[place];
        match fingerprints {
            Fingerprints::Files => read(case, image).as_ref().map(Thumbnail::of),
            Fingerprints::Known(known) => Some(known.get(case)?.get(index)?.thumbnail.clone()),
        }
    };
    let mut reported = BTreeSet::new();
    let pairs = near_duplicates(&hashes, differ, thumbnail).into_iter();
    let mut found: Vec<(usize, usize, usize)> = pairs
        .filter(|(_, other)| reported.insert(*other))
        .map(|(one, other)| (images[one].case, images[other].case, images[other].index))
        .collect();
    found.sort_unstable_by_key(|(_, case, index)| (*case, *index));
    found
}
