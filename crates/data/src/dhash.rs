//! A 64-bit difference hash (dHash) of an image. The hashes of copies of an image differ in a few bits;
//! see [`crate::near_duplicates`].

use image::RgbImage;

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
