//! A 64-bit difference hash, and which pictures are near-duplicates by it.

use std::collections::BTreeMap;

use image::RgbImage;

/// Pictures whose hashes differ in at most this many bits are near-duplicates: the same picture stored anew, resized or
/// with other grey levels.
pub const NEAR_DUPLICATE_BITS: u32 = 2;

const WIDE: u32 = 9;
const HIGH: u32 = 8;

/// The difference hash of a picture: its luma, averaged over a grid of 9 x 8 equal areas, compared between neighbours in
/// a row; a bit is set where the left one is darker. Most significant bit first, row by row.
#[must_use]
pub fn phash(picture: &RgbImage) -> u64 {
    let (width, height) = picture.dimensions();
    if width == 0 || height == 0 {
        return 0;
    }
    // Sums of luma over the areas, whose edges may cut pixels. In ninths of a pixel across and eighths down all overlaps
    // are whole numbers, so equal pictures give equal bits on every machine; 64 bits hold them for any picture read.
    let across: Vec<Vec<(usize, u64)>> = (0..width).map(|x| overlaps(x, width, WIDE)).collect();
    let mut sums = [[0u64; WIDE as usize]; HIGH as usize];
    for (y, pixels) in (0..height).zip(picture.as_raw().chunks_exact(3 * width as usize)) {
        let mut row = [0u64; WIDE as usize];
        for (pixel, columns) in pixels.chunks_exact(3).zip(&across) {
            // Luma of ITU-R BT.601 in thousandths.
            let luma = 299 * u64::from(pixel[0]) + 587 * u64::from(pixel[1]) + 114 * u64::from(pixel[2]);
            for (column, length) in columns {
                row[*column] += length * luma;
            }
        }
        for (line, length) in overlaps(y, height, HIGH) {
            for (sum, part) in sums[line].iter_mut().zip(row) {
                *sum += length * part;
            }
        }
    }
    let bits = sums.iter().flat_map(|row| row.windows(2).map(|pair| pair[0] < pair[1]));
    bits.fold(0, |hash, bit| hash << 1 | u64::from(bit))
}

/// The cells of `cells` that pixel `at` of `pixels` overlaps, with the lengths of the overlaps in 1/`cells` of a pixel.
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

/// As recorded: 16 hexadecimal digits.
#[must_use]
pub fn phash_hex(hash: u64) -> String {
    format!("{hash:016x}")
}

/// Reads what [`phash_hex`] writes; nothing for anything else.
#[must_use]
pub fn parse_phash(text: &str) -> Option<u64> {
    let hexadecimal = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hexadecimal.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Number of bits that differ.
#[must_use]
pub fn hamming(one: u64, other: u64) -> u32 {
    (one ^ other).count_ones()
}

/// Whether two pictures are near-duplicates by their hashes.
#[must_use]
pub fn near_duplicates(one: u64, other: u64) -> bool {
    hamming(one, other) <= NEAR_DUPLICATE_BITS
}

/// All pairs of near-duplicates among `hashes`, by index, the smaller first, in order. Of equal hashes each is paired with
/// the first of its kind only, which stands for all of them.
#[must_use]
pub fn near_duplicate_pairs(hashes: &[u64]) -> Vec<(usize, usize)> {
    let mut first: BTreeMap<u64, usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for (index, hash) in hashes.iter().enumerate() {
        match first.get(hash) {
            Some(other) => pairs.push((*other, index)),
            None => {
                first.insert(*hash, index);
            }
        }
    }
    // Hashes that differ in at most n bits agree in at least one of n + 1 bands: only those are compared.
    let bands = NEAR_DUPLICATE_BITS + 1;
    let width = 64 / bands;
    for band in 0..bands {
        let mut buckets: BTreeMap<u64, Vec<(u64, usize)>> = BTreeMap::new();
        for (hash, index) in &first {
            buckets.entry(hash >> (band * width) & ((1 << width) - 1)).or_default().push((*hash, *index));
        }
        for bucket in buckets.values() {
            for (place, (one, i)) in bucket.iter().enumerate() {
                for (other, j) in &bucket[place + 1..] {
                    if near_duplicates(*one, *other) {
                        pairs.push((*i.min(j), *i.max(j)));
                    }
                }
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
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
        // Sides that the grid does not divide, and pictures smaller than the grid.
        let small = RgbImage::from_fn(5, 3, |x, _| Rgb([40 * x as u8; 3]));
        assert_eq!(phash(&small) & 0xff, phash(&small) >> 56);
        assert_eq!(phash(&RgbImage::new(1, 1)), 0);
    }

    #[test]
    fn a_resized_or_brightened_picture_is_near_and_another_is_far() {
        let picture = blobs(200, 160, 0.3);
        let smaller = resize(&picture, 130, 90, FilterType::Triangle);
        let mut brighter = picture.clone();
        brighter.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value.saturating_add(8)));
        assert!(near_duplicates(phash(&picture), phash(&smaller)));
        assert!(near_duplicates(phash(&picture), phash(&brighter)));
        assert!(hamming(phash(&picture), phash(&blobs(200, 160, 1.9))) > 10);
    }

    proptest! {
        #[test]
        fn banded_search_finds_what_comparing_all_finds(seeds in prop::collection::vec((any::<u64>(), 0u32..64, 0u32..64, 0u32..64), 0..12)) {
            let mut hashes = Vec::new();
            for (hash, a, b, c) in seeds {
                hashes.extend([hash, hash ^ 1 << a, hash ^ 1 << a ^ 1 << b ^ 1 << c, hash]);
            }
            let found = near_duplicate_pairs(&hashes);
            let first = |i: usize| hashes.iter().position(|other| *other == hashes[i]).unwrap_or(i);
            for i in 0..hashes.len() {
                for j in i + 1..hashes.len() {
                    let near = near_duplicates(hashes[i], hashes[j]);
                    let standing = (first(i).min(first(j)), first(i).max(first(j)));
                    let paired = found.contains(&(i, j)) || found.contains(&standing) || (first(i) == first(j));
                    prop_assert_eq!(near, paired);
                }
            }
        }

        #[test]
        fn the_text_form_is_read_back(hash: u64) {
            prop_assert_eq!(parse_phash(&phash_hex(hash)), Some(hash));
        }
    }

    #[test]
    fn other_texts_are_no_hash() {
        for text in ["", "0123", "0123456789ABCDEF", "+123456789abcdef", "0123456789abcdef0"] {
            assert_eq!(parse_phash(text), None, "{text}");
        }
    }
}
