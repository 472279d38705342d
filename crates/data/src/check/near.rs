//! Rule that near-duplicate images are on one side of the split. The same file on two sides is found by its digest, in
//! [`super::between`].

use std::collections::BTreeSet;

use super::across::{PlacedCase, sides};
use crate::case::Image;
use crate::dataset::{image_below, root_of};
use crate::near_duplicates::{Change, Fingerprint, NearDuplicate, near_duplicates};
use crate::parallel;
use crate::problem::Problem;

/// Fingerprints of the images of cases, by case and image in the order of the cases. None for an image that cannot be
/// read.
pub type Fingerprints = Vec<Vec<Option<Fingerprint>>>;

/// Reads the image files of `cases`, on all CPU threads, and returns their fingerprints. Unreadable files have none;
/// other checks report them.
#[must_use]
pub fn fingerprints(cases: &[PlacedCase<'_>]) -> Fingerprints {
    let read = |placed: &PlacedCase<'_>| {
        let fingerprint = |image: &Image| image_below(root_of(placed.file), image).ok().as_ref().map(Fingerprint::of);
        placed.case.images.iter().map(fingerprint).collect()
    };
    parallel::map(cases, read)
}

/// An image with a near-duplicate in an earlier case. Indices are those of the list of cases that was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearImage {
    /// Index of the first of the earlier cases.
    pub earlier: usize,
    /// Index of the image's own case.
    pub case: usize,
    /// Index of the image in its case.
    pub image: usize,
    /// Change that makes this image of the earlier one; None if both are near as they are.
    pub change: Option<Change>,
}

/// Finds images of `cases` with a near-duplicate, but not equal, image in an earlier case of another group on the other
/// side of the split. Returns one entry for each such image, in the order of the cases; empty when there is none. Images
/// without one of the `fingerprints` have no near-duplicates.
#[must_use]
pub fn near_across_sides(cases: &[PlacedCase<'_>], fingerprints: &Fingerprints) -> Vec<NearImage> {
    // A group on two sides is a problem of its own.
    let other_side = |one: usize, other: usize| {
        let (one, other) = (cases[one].case, cases[other].case);
        one.split != other.split && one.group_id != other.group_id
    };
    near_images(cases, other_side, fingerprints)
}

/// Returns a problem for each image that [`near_across_sides`] found among `cases`.
#[must_use]
pub fn near_problems(cases: &[PlacedCase<'_>], found: &[NearImage]) -> Vec<Problem> {
    let problem = |found: &NearImage| {
        let sides = sides(&[(cases[found.earlier], 1), (cases[found.case], 1)]);
        let what = match found.change {
            Some(change) => format!("a near-duplicate image, {change}, is in {sides}"),
            None => format!("a near-duplicate image is in {sides}"),
        };
        let PlacedCase { file, row, .. } = cases[found.case];
        let problem = Problem::new(file, what, "put both cases into one group, on one side");
        let problem = problem.at_row(row).in_field(format!("images[{}].phash", found.image)).as_leak();
        problem.with_other_rows(cases[found.case].other_rows([&cases[found.earlier]]))
    };
    found.iter().map(problem).collect()
}

/// Finds images with a near-duplicate, but not equal, image (by their recorded digests) in an earlier case. Only pairs
/// of cases for which `wanted`, given their indices, is true are compared. Returns one entry for each such image, in the
/// order of the cases.
pub fn near_images(
    cases: &[PlacedCase<'_>],
    wanted: impl Fn(usize, usize) -> bool + Sync,
    fingerprints: &Fingerprints,
) -> Vec<NearImage> {
    let mut places: Vec<(usize, usize, &Image)> = Vec::new();
    let mut known: Vec<&Fingerprint> = Vec::new();
    for (case, (placed, found)) in cases.iter().zip(fingerprints).enumerate() {
        for (index, (image, fingerprint)) in placed.case.images.iter().zip(found).enumerate() {
            let Some(fingerprint) = fingerprint else { continue };
            places.push((case, index, image));
            known.push(fingerprint);
        }
    }
    let differ = |one: usize, other: usize| {
        places[one].2.sha256 != places[other].2.sha256 && wanted(places[one].0, places[other].0)
    };
    let mut reported = BTreeSet::new();
    let pairs = near_duplicates(&known, differ).into_iter();
    let mut found: Vec<NearImage> = pairs
        .filter(|pair| reported.insert(pair.other))
        .map(|NearDuplicate { one, other, change }| {
            let (case, image, _) = places[other];
            NearImage { earlier: places[one].0, case, image, change }
        })
        .collect();
    found.sort_unstable_by_key(|found| (found.case, found.image));
    found
}
