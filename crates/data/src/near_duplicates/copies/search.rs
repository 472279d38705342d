//! Search of similar keypoints in many images at once.

use super::keypoint::{Keypoint, mirrored};
use super::votes::Similar;
use crate::parallel;

/// Largest number of differing bits, of 64, of the descriptions of similar keypoints.
const BITS: u32 = 14;

/// Bits of a band. Similar keypoints are searched among those with an equal band.
const BAND: u32 = 16;

/// Most keypoints with an equal band that are compared: a band that more of them share says nothing.
const CROWD: usize = 200;

/// Similar keypoints of two images, by the indices of the images, the smaller one first.
pub(super) type Found = ((u32, u32), Similar);

/// A keypoint among those of all images.
#[derive(Clone, Copy)]
struct Entry {
    bits: u64,
    image: u32,
    place: u16,
}

/// Finds the similar keypoints of all pairs of images for which `wanted` is true, in the order of the pairs.
pub(super) fn similar(images: &[&[Keypoint]], wanted: &(impl Fn(usize, usize) -> bool + Sync)) -> Vec<Found> {
    let mut all: Vec<Entry> = Vec::new();
    for (image, keypoints) in (0..).zip(images) {
        all.extend((0..).zip(*keypoints).map(|(place, found)| Entry { bits: found.bits, image, place }));
    }
    let mut found: Vec<Found> = Vec::new();
    for band in 0..64 / BAND {
        let sorted = Band::of(&all, band);
        let values: Vec<usize> = (0..1 << BAND).step_by(1 << 8).collect();
        let near = parallel::map(&values, |start| {
            let mut near = Vec::new();
            (*start..start + (1 << 8)).for_each(|value| sorted.add_near(value, wanted, &mut near));
            near
        });
        found.extend(near.into_iter().flatten());
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn key(bits: u64, band: u32) -> usize {
    (bits >> (BAND * band)) as usize & ((1 << BAND) - 1)
}

/// Keypoints sorted by one band of their bits, those of equal bands in the order of the images.
struct Band {
    band: u32,
    /// Start of each value of the band in `entries`, and the end.
    starts: Vec<u32>,
    entries: Vec<Entry>,
}

impl Band {
    fn of(all: &[Entry], band: u32) -> Self {
        let mut starts = vec![0u32; (1 << BAND) + 1];
        all.iter().for_each(|entry| starts[key(entry.bits, band) + 1] += 1);
        (0..1 << BAND).for_each(|value| starts[value + 1] += starts[value]);
        let mut next = starts.clone();
        let mut entries = vec![Entry { bits: 0, image: 0, place: 0 }; all.len()];
        for entry in all {
            let at = &mut next[key(entry.bits, band)];
            entries[*at as usize] = *entry;
            *at += 1;
        }
        Self { band, starts, entries }
    }

    /// Keypoints whose band has a value; none where too many have it.
    fn bucket(&self, value: usize) -> &[Entry] {
        let bucket = &self.entries[self.starts[value] as usize..self.starts[value + 1] as usize];
        if bucket.len() > CROWD { &[] } else { bucket }
    }

    /// Adds the pairs of similar keypoints whose first one has the value.
    fn add_near(&self, value: usize, wanted: &impl Fn(usize, usize) -> bool, near: &mut Vec<Found>) {
        let bucket = self.bucket(value);
        for entry in bucket {
            for is_mirrored in [false, true] {
                let bits = if is_mirrored { mirrored(entry.bits) } else { entry.bits };
                let others = if is_mirrored { self.bucket(key(bits, self.band)) } else { bucket };
                let later = others.partition_point(|other| other.image <= entry.image);
                for other in &others[later..] {
                    if (bits ^ other.bits).count_ones() <= BITS && wanted(entry.image as usize, other.image as usize) {
                        let similar = Similar { one: entry.place, other: other.place, mirrored: is_mirrored };
                        near.push(((entry.image, other.image), similar));
                    }
                }
            }
        }
    }
}
