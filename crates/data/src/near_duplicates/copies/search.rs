//! Search of similar keypoints in many images at once.

use super::super::band::{BANDS, Band, Bucket};
use super::keypoint::{Keypoint, mirrored};
use super::votes::Similar;

/// Largest number of differing bits, of 64, of the descriptions of similar keypoints.
const BITS: u32 = 14;

/// Most keypoints with an equal band that are compared: a band that more of them share says nothing.
const CROWD: usize = 200;

/// Keypoints of all images, sorted by each band of their bits. Holds nothing for a pair of images: almost all pairs have some
/// similar keypoints.
pub(super) struct Index<'k> {
    images: &'k [&'k [Keypoint]],
    /// Number of the first keypoint of each image, where the keypoints of all images are numbered in their order.
    starts: Vec<u32>,
    /// Image of each keypoint.
    owners: Vec<u32>,
    bands: Vec<Band>,
}

impl<'k> Index<'k> {
    /// Sorts the keypoints of `images`.
    pub(super) fn of(images: &'k [&'k [Keypoint]]) -> Self {
        let (mut starts, mut owners) = (Vec::with_capacity(images.len()), Vec::new());
        for (image, keypoints) in (0..).zip(images) {
            starts.push(owners.len() as u32);
            owners.resize(owners.len() + keypoints.len(), image);
        }
        let all = images.iter().flat_map(|keypoints| keypoints.iter()).map(|keypoint| keypoint.bits);
        let bands = (0..BANDS).map(|band| Band::of(all.clone(), band)).collect();
        Self { images, starts, owners, bands }
    }

    /// Finds the keypoints of later images that are similar to those of image `one`, in the order of the images. Only pairs of
    /// images for which `wanted` is true are compared.
    pub(super) fn similar(&self, one: usize, wanted: &impl Fn(usize, usize) -> bool) -> Vec<(usize, Similar)> {
        let first_later = self.starts.get(one + 1).map_or(self.owners.len(), |start| *start as usize) as u32;
        let mut found = Vec::new();
        for band in &self.bands {
            for (place, keypoint) in (0..).zip(self.images[one]) {
                if is_crowd(band.bucket(keypoint.bits)) {
                    continue;
                }
                for is_mirrored in [false, true] {
                    let bits = if is_mirrored { mirrored(keypoint.bits) } else { keypoint.bits };
                    let bucket = band.bucket(bits);
                    if is_crowd(bucket) {
                        continue;
                    }
                    let near = bucket.from(first_later).near(bits, BITS);
                    found.extend(near.filter_map(|(_, number)| {
                        let other = self.owners[number as usize] as usize;
                        let similar =
                            Similar { one: place, other: (number - self.starts[other]) as u16, mirrored: is_mirrored };
                        wanted(one, other).then_some((other, similar))
                    }));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Returns whether the bucket has more keypoints than are compared.
fn is_crowd(bucket: Bucket<'_>) -> bool {
    bucket.len() > CROWD
}
