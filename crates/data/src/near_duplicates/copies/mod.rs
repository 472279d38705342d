//! Copies that are rotated by any angle, cropped, padded, shifted, framed or written on, also mirrored or inverted.
//!
//! Keypoints select the pairs to compare: similar ones must agree on one map between the two images. The map is then
//! improved and confirmed by the correlation of the details of both images.

mod grey;
mod keypoint;
mod pose;
mod search;
mod similarity;
mod sketch;
#[cfg(test)]
mod tests;
mod votes;

use image::RgbImage;

use super::take::take;
use crate::parallel;
use grey::Grey;
use keypoint::{Keypoint, keypoints};
use search::Index;
use sketch::{Sketch, register};
use votes::{Agreed, Similar, agreed};

pub use pose::Pose;

/// Candidates that are always compared; of more, at most one for each image, those with most votes.
const CANDIDATES: usize = 4000;

/// Keypoints and sketch of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    keypoints: Vec<Keypoint>,
    sketch: Sketch,
}

impl Details {
    /// Computes keypoints and sketch of an image.
    #[must_use]
    pub fn of(picture: &RgbImage) -> Self {
        let image = Grey::of(picture, keypoint::SIDE);
        Self { keypoints: keypoints(&image), sketch: Sketch::of(&image.reduced(sketch::SIDE)) }
    }

    /// Appends the details to `bytes`.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.keypoints.len() as u8);
        self.keypoints.iter().for_each(|keypoint| keypoint.write(bytes));
        self.sketch.write(bytes);
    }

    /// Takes details from `bytes`; None when they are not well formed.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let count = take(bytes, 1)?[0];
        let keypoints = (0..count).map(|_| Keypoint::read(bytes)).collect::<Option<_>>()?;
        Some(Self { keypoints, sketch: Sketch::read(bytes)? })
    }
}

/// Images whose candidates are found before only the best are kept.
const IMAGES_AT_ONCE: usize = 512;

/// Finds the pairs of images that are copies of each other, with the pose of the second one, in ascending order. Only
/// pairs of indices, the smaller one first, for which `wanted` is true are compared.
pub fn copies(images: &[&Details], wanted: &(impl Fn(usize, usize) -> bool + Sync)) -> Vec<((usize, usize), Pose)> {
    let candidates = candidates(images, wanted);
    let confirm = |((one, other), agreed): &((usize, usize), Agreed)| {
        let map = register(&images[*one].sketch, &images[*other].sketch, agreed.map, agreed.inverted)?;
        Some(((*one, *other), Pose::of(&map, agreed.inverted)))
    };
    let mut copies: Vec<((usize, usize), Pose)> = parallel::map(&candidates, confirm).into_iter().flatten().collect();
    copies.sort_unstable_by_key(|(pair, _)| *pair);
    copies
}

/// Pairs of images whose keypoints agree on a map, those with most votes first.
fn candidates(images: &[&Details], wanted: &(impl Fn(usize, usize) -> bool + Sync)) -> Vec<((usize, usize), Agreed)> {
    let keypoints: Vec<&[Keypoint]> = images.iter().map(|image| image.keypoints.as_slice()).collect();
    let index = Index::of(&keypoints);
    let of_image = |one: &usize| -> Vec<((usize, usize), Agreed)> {
        let found = index.similar(*one, wanted);
        let of_pair = |pair: &[(usize, Similar)]| {
            let other = pair[0].0;
            let similar: Vec<Similar> = pair.iter().map(|found| found.1).collect();
            Some(((*one, other), agreed(keypoints[*one], keypoints[other], &similar)?))
        };
        found.chunk_by(|one, other| one.0 == other.0).filter_map(of_pair).collect()
    };
    let ones: Vec<usize> = (0..images.len()).collect();
    let mut candidates = Vec::new();
    for part in ones.chunks(IMAGES_AT_ONCE) {
        candidates.extend(parallel::map(part, of_image).into_iter().flatten());
        candidates.sort_by_key(|(pair, agreed)| (std::cmp::Reverse(agreed.votes), *pair));
        candidates.truncate(CANDIDATES.max(images.len()));
    }
    candidates
}
