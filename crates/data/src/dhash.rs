//! A 64-bit difference hash (dHash) of an image. The hashes of copies of an image differ in a few bits;
//! see [`crate::near_duplicates`].

use std::collections::BTreeMap;

use image::RgbImage;

use crate::parallel;

/// Computes the 64-bit difference hash (dHash) of an image.
///
/// The luma (ITU-R BT.601: 0.299 red + 0.587 green + 0.114 blue) is averaged over a grid of equal areas, 9 across and 8
/// down. Each of the 8 x 8 bits compares two neighbours in a row and is set when the left one is darker. Bits are
/// ordered row by row from the top left, the most significant first. An image without pixels has the hash 0.
#[must_use]
pub fn phash(picture: &RgbImage) -> u64 {
    difference_bits(&luma_sums(picture, 9, 8))
}

/// Returns the bits of [`phash`] of a grid of 9 x 8 sums.
pub(crate) fn difference_bits(sums: &[u64]) -> u64 {
    let bits = sums.chunks_exact(9).flat_map(|row| row.windows(2).map(|pair| pair[0] < pair[1]));
    bits.fold(0, |hash, bit| hash << 1 | u64::from(bit))
}

/// Sums the luma over a grid of `wide` x `high` equal areas, as [`grid_sums`] does. Luma is that of ITU-R BT.601 in
/// thousandths; each sum is `width * height` times the mean luma of its area. An image without pixels has sums of 0.
pub(crate) fn luma_sums(picture: &RgbImage, wide: u32, high: u32) -> Vec<u64> {
    let luma = |pixel: &[u8]| 299 * u64::from(pixel[0]) + 587 * u64::from(pixel[1]) + 114 * u64::from(pixel[2]);
    let rows = picture.as_raw().chunks_exact(3 * picture.width().max(1) as usize);
    grid_sums(rows.map(|row| row.chunks_exact(3).map(luma)), picture.dimensions(), (wide, high))
}

/// Sums values, given as the rows of an image of `size` (width and height), over a grid of `cells` (across and down)
/// equal areas and returns the sums row by row.
///
/// The edges of the areas may cut pixels. Overlaps are counted in 1/across of a pixel across and 1/down of a pixel
/// down, so all of them are whole numbers and equal images give equal sums on every machine.
pub(crate) fn grid_sums(
    rows: impl Iterator<Item = impl Iterator<Item = u64>>,
    size: (u32, u32),
    cells: (u32, u32),
) -> Vec<u64> {
    let ((width, height), (wide, high)) = (size, cells);
    let mut sums = vec![0u64; (wide * high) as usize];
    let across: Vec<Vec<(usize, u64)>> = (0..width).map(|x| overlaps(x, width, wide)).collect();
    for (y, values) in (0..height).zip(rows) {
        let mut row = vec![0u64; wide as usize];
        for (value, columns) in values.zip(&across) {
            for (column, length) in columns {
                row[*column] += length * value;
            }
        }
        for (line, length) in overlaps(y, height, high) {
            for (sum, part) in sums[line * wide as usize..].iter_mut().zip(&row) {
                *sum += length * part;
            }
        }
    }
    sums
}

/// Returns the cells, of `cells` along a side of `pixels` pixels, that pixel `at` overlaps, each with the length of the
/// overlap in 1/`cells` of a pixel.
fn overlaps(at: u32, pixels: u32, cells: u32) -> Vec<(usize, u64)> {
    let (pixels, cells) = (u64::from(pixels), u64::from(cells));
    let (start, end) = (u64::from(at) * cells, (u64::from(at) + 1) * cells);
    (start / pixels..=(end - 1) / pixels)
        .map(|cell| {
            let length = end.min((cell + 1) * pixels) - start.max(cell * pixels);
            (cell as usize, length)
        })
        .collect()
}

/// Formats a hash as it is recorded in cases: 16 lower-case hexadecimal digits.
#[must_use]
pub fn phash_hex(hash: u64) -> String {
    format!("{hash:016x}")
}

/// Parses a hash written by [`phash_hex`]. Returns None for any other text.
#[must_use]
pub fn parse_phash(text: &str) -> Option<u64> {
    let hexadecimal = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hexadecimal.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Returns the number of bits in which two hashes differ, 0 to 64.
#[must_use]
pub fn hamming(one: u64, other: u64) -> u32 {
    (one ^ other).count_ones()
}

/// Finds all pairs of a hash of `ones` and a hash of `others` that differ in at most `bits` bits, below 64, and applies
/// `judge`, on all CPU threads, to the index of each hash of `ones` and the indices into `others` of the hashes that are that
/// near. Only pairs of indices for which `wanted` is true are compared. Returns all results in the order of `ones`.
///
/// Many pairs are near among images of one view, so they are never held all at once.
///
/// # Panics
/// When `wanted` or `judge` panics.
pub fn judge_near<R: Send>(
    ones: &[u64],
    others: &[u64],
    bits: u32,
    wanted: impl Fn(usize, usize) -> bool + Sync,
    judge: impl Fn(usize, &[usize]) -> Vec<R> + Sync,
) -> Vec<R> {
    // Hashes that differ in at most n bits agree in at least one of n + 1 bands of bits, so only these are compared.
    let bands: Vec<Band> = (0..=bits.min(63)).map(|band| Band::of(others, band, bits.min(63) + 1)).collect();
    let numbered: Vec<(usize, u64)> = ones.iter().copied().enumerate().collect();
    let parts: Vec<&[(usize, u64)]> = numbered.chunks(ONES_AT_ONCE).collect();
    let found = parallel::map(&parts, |part| {
        let mut results = Vec::new();
        let mut near: Vec<usize> = Vec::new();
        for (one, hash) in *part {
            near.clear();
            for (place, band) in bands.iter().enumerate() {
                let is_near = |other: &usize| {
                    let difference = hash ^ others[*other];
                    // A pair that agrees in several bands is found in the first of them.
                    let is_first = bands[..place].iter().all(|earlier| difference & earlier.mask != 0);
                    difference.count_ones() <= bits && is_first && wanted(*one, *other)
                };
                near.extend(band.bucket(*hash).iter().copied().filter(is_near));
            }
            if !near.is_empty() {
                results.extend(judge(*one, &near));
            }
        }
        results
    });
    found.into_iter().flatten().collect()
}

/// Number of hashes that a thread compares at a time.
const ONES_AT_ONCE: usize = 64;

/// Indices of hashes by the value of a band of their bits.
struct Band {
    mask: u64,
    buckets: BTreeMap<u64, Vec<usize>>,
}

impl Band {
    /// Sorts the hashes by band `band` of `bands` nearly equal ones.
    fn of(hashes: &[u64], band: u32, bands: u32) -> Self {
        let edge = |band: u32| 64 * band / bands;
        let width = edge(band + 1) - edge(band);
        let mask = (u64::MAX >> (64 - width)) << edge(band);
        let mut buckets: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (index, hash) in hashes.iter().enumerate() {
            buckets.entry(hash & mask).or_default().push(index);
        }
        Self { mask, buckets }
    }

    /// Hashes that agree with `hash` in the band.
    fn bucket(&self, hash: u64) -> &[usize] {
        self.buckets.get(&(hash & self.mask)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use image::imageops::{FilterType, resize};
    use image::{Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;

    fn blobs(width: u32, height: u32, shift: f64) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let (x, y) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
            let value = 127.0 + 60.0 * (9.0 * x + shift).sin() + 60.0 * (7.0 * y * x + 2.0 * shift).cos();
            Rgb([value as u8; 3])
        })
    }

    #[test]
    fn bits_compare_neighbouring_areas() {
        let rising = RgbImage::from_fn(90, 80, |x, _| Rgb([x as u8; 3]));
        let falling = RgbImage::from_fn(90, 80, |x, _| Rgb([(90 - x) as u8; 3]));
        assert_eq!((phash(&rising), phash(&falling)), (u64::MAX, 0));
        // An image whose sides are not multiples of the grid, and one smaller than the grid.
        let small = RgbImage::from_fn(5, 3, |x, _| Rgb([40 * x as u8; 3]));
        assert_eq!(phash(&small) & 0xff, phash(&small) >> 56);
        assert_eq!(phash(&RgbImage::new(1, 1)), 0);
    }

    #[test]
    fn a_resized_or_brightened_image_is_near_and_another_is_far() {
        let picture = blobs(200, 160, 0.3);
        let smaller = resize(&picture, 130, 90, FilterType::Triangle);
        let mut brighter = picture.clone();
        brighter.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value.saturating_add(8)));
        assert!(hamming(phash(&picture), phash(&smaller)) <= 2);
        assert!(hamming(phash(&picture), phash(&brighter)) <= 2);
        assert!(hamming(phash(&picture), phash(&blobs(200, 160, 1.9))) > 10);
    }

    proptest! {
        #[test]
        fn banded_search_finds_what_comparing_all_finds(
            seeds in prop::collection::vec((any::<u64>(), 0u32..64, 0u32..64, 0u32..64), 0..12), bits in 0u32..10,
        ) {
            let mut hashes = Vec::new();
            for (hash, a, b, c) in seeds {
                hashes.extend([hash, hash ^ 1 << a, hash ^ 1 << a ^ 1 << b ^ 1 << c, hash]);
            }
            let all = (0..hashes.len()).flat_map(|i| (i + 1..hashes.len()).map(move |j| (i, j)));
            let expected: Vec<(usize, usize)> = all.filter(|(i, j)| hamming(hashes[*i], hashes[*j]) <= bits).collect();
            let pairs = |one: usize, near: &[usize]| near.iter().map(|other| (one, *other)).collect();
            let mut found = judge_near(&hashes, &hashes, bits, |one, other| one < other, pairs);
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_hash_written_as_text_is_read_again(hash: u64) {
            prop_assert_eq!(parse_phash(&phash_hex(hash)), Some(hash));
        }
    }

    #[test]
    fn malformed_hashes_are_refused() {
        for text in ["", "0123", "0123456789ABCDEF", "+123456789abcdef", "0123456789abcdef0"] {
            assert_eq!(parse_phash(text), None, "{text}");
        }
    }
}
