//! Search of similar keypoints in many images at once.

use super::keypoint::{Keypoint, mirrored};
use super::votes::Similar;

/// Largest number of differing bits, of 64, of the descriptions of similar keypoints.
const BITS: u32 = 14;

/// Bits of a band. Similar keypoints are searched among those with an equal band.
const BAND: u32 = 16;

/// Most keypoints with an equal band that are compared: a band that more of them share says nothing.
const CROWD: usize = 200;

/// Keypoints of all images, sorted by each band of their bits. Holds 12 bytes for a keypoint and band, and nothing for a
/// pair of images: almost all pairs have some similar keypoints.
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
        let bands = (0..64 / BAND).map(|band| Band::of(images, band, owners.len())).collect();
        Self { images, starts, owners, bands }
    }

    /// Finds the keypoints of later images that are similar to those of image `one`, in the order of the images. Only pairs of
    /// images for which `wanted` is true are compared.
    pub(super) fn similar(&self, one: usize, wanted: &impl Fn(usize, usize) -> bool) -> Vec<(usize, Similar)> {
        let first_later = self.starts.get(one + 1).map_or(self.owners.len(), |start| *start as usize) as u32;
        let mut found = Vec::new();
        for band in &self.bands {
            for (place, keypoint) in (0..).zip(self.images[one]) {
                if band.bucket(keypoint.bits).is_crowd() {
                    continue;
                }
                for is_mirrored in [false, true] {
                    let bits = if is_mirrored { mirrored(keypoint.bits) } else { keypoint.bits };
                    let near = band.bucket(bits).later(first_later).near(bits);
                    found.extend(near.filter_map(|number| {
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

/// Keypoints sorted by one band of their bits, those of an equal band by their numbers.
struct Band {
    band: u32,
    /// Start of each value of the band, and the end.
    starts: Vec<u32>,
    bits: Vec<u64>,
    numbers: Vec<u32>,
}

/// Keypoints with an equal band.
#[derive(Clone, Copy)]
struct Bucket<'b> {
    bits: &'b [u64],
    numbers: &'b [u32],
}

impl Band {
    fn of(images: &[&[Keypoint]], band: u32, count: usize) -> Self {
        let all = || images.iter().flat_map(|keypoints| keypoints.iter()).map(|keypoint| keypoint.bits);
        let mut starts = vec![0u32; (1 << BAND) + 1];
        all().for_each(|bits| starts[key(bits, band) + 1] += 1);
        (0..1 << BAND).for_each(|value| starts[value + 1] += starts[value]);
        let mut next = starts.clone();
        let (mut sorted, mut numbers) = (vec![0; count], vec![0; count]);
        for (number, bits) in (0..).zip(all()) {
            let at = &mut next[key(bits, band)];
            (sorted[*at as usize], numbers[*at as usize]) = (bits, number);
            *at += 1;
        }
        Self { band, starts, bits: sorted, numbers }
    }

    /// Keypoints that agree with `bits` in the band.
    fn bucket(&self, bits: u64) -> Bucket<'_> {
        let value = key(bits, self.band);
        let range = self.starts[value] as usize..self.starts[value + 1] as usize;
        Bucket { bits: &self.bits[range.clone()], numbers: &self.numbers[range] }
    }
}

fn key(bits: u64, band: u32) -> usize {
    (bits >> (BAND * band)) as usize & ((1 << BAND) - 1)
}

impl<'b> Bucket<'b> {
    /// Returns whether the bucket has more keypoints than are compared.
    fn is_crowd(self) -> bool {
        self.bits.len() > CROWD
    }

    /// Keypoints from number `first` on; none of a crowd.
    fn later(self, first: u32) -> Self {
        let from = match self.is_crowd() {
            true => self.numbers.len(),
            false => self.numbers.partition_point(|number| *number < first),
        };
        Self { bits: &self.bits[from..], numbers: &self.numbers[from..] }
    }

    /// Numbers of the keypoints with bits similar to `bits`.
    fn near(self, bits: u64) -> impl Iterator<Item = u32> + 'b {
        let is_near = move |other: &u64| (bits ^ other).count_ones() <= BITS;
        self.bits.iter().zip(self.numbers).filter(move |(other, _)| is_near(other)).map(|(_, number)| *number)
    }
}
