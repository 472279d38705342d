//! Masks of outlines as annotations write them: polygons, and runs of pixels.

use stepwise_data::image::Mask;

/// Returns the mask of polygons on an image of `width` x `height` pixels. A pixel is inside when its centre is.
pub(crate) fn polygons(polygons: &[Vec<[f64; 2]>], width: u32, height: u32) -> Mask {
    let mut inside = vec![false; width as usize * height as usize];
    for y in 0..height {
        let middle = f64::from(y) + 0.5;
        let mut crossings: Vec<f64> = Vec::new();
        for points in polygons {
            for (from, to) in points.iter().zip(points.iter().cycle().skip(1)) {
                let ([x0, y0], [x1, y1]) = (*from, *to);
                if (y0 <= middle) != (y1 <= middle) {
                    crossings.push(x0 + (middle - y0) / (y1 - y0) * (x1 - x0));
                }
            }
        }
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            // The first centre from the left crossing on, and the first from the right one on.
            let [begin, end] = [pair[0], pair[1]].map(|x| (x - 0.5).ceil().clamp(0.0, f64::from(width)) as usize);
            let row = y as usize * width as usize;
            inside[row + begin..row + end.max(begin)].fill(true);
        }
    }
    Mask { width, height, inside }
}

/// Returns whether runs have as many pixels as an image.
pub(crate) fn fills(counts: &[u32], width: u32, height: u32) -> bool {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    total == u64::from(width) * u64::from(height)
}

/// Returns the mask of runs down the columns, which fill the image ([`fills`]).
///
/// # Panics
/// When they do not.
pub(crate) fn runs(counts: &[u32], width: u32, height: u32) -> Mask {
    let mut inside = vec![false; width as usize * height as usize];
    let mut at = 0;
    for (index, count) in counts.iter().enumerate() {
        let end = at + *count as usize;
        if index % 2 == 1 {
            for place in at..end {
                let (x, y) = (place / height as usize, place % height as usize);
                inside[y * width as usize + x] = true;
            }
        }
        at = end;
    }
    Mask { width, height, inside }
}

/// Reads the text of compressed runs as COCO's tools write it: groups of five bits from the character `0` on, lowest
/// first, as differences from the run before the last one. None when the text is damaged.
pub(crate) fn compressed(text: &str) -> Option<Vec<u32>> {
    let mut counts: Vec<u32> = Vec::new();
    let mut letters = text.bytes();
    while let Some(first) = letters.next() {
        let (mut number, mut shift, mut letter) = (0i64, 0, first);
        loop {
            let group = letter.checked_sub(48).filter(|group| *group < 64)?;
            number |= i64::from(group & 0x1F) << shift;
            shift += 5;
            if group & 0x20 == 0 {
                if group & 0x10 != 0 {
                    number |= -1 << shift;
                }
                break;
            }
            letter = letters.next().filter(|_| shift < 40)?;
        }
        if counts.len() > 2 {
            number += i64::from(counts[counts.len() - 2]);
        }
        counts.push(u32::try_from(number).ok()?);
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(mask: &Mask) -> Vec<String> {
        let row = |row: &[bool]| row.iter().map(|inside| if *inside { '#' } else { '.' }).collect();
        mask.inside.chunks(mask.width as usize).map(row).collect()
    }

    #[test]
    fn runs_go_down_the_columns() {
        assert!(fills(&[1, 2, 3, 1, 2], 3, 3));
        assert_eq!(rows(&runs(&[1, 2, 3, 1, 2], 3, 3)), ["..#", "#..", "#.."]);
        assert!(!fills(&[1, 2, 3], 3, 3) && !fills(&[u32::MAX, u32::MAX], 3, 3));
    }

    #[test]
    fn compressed_runs_are_read_like_pycocotools() {
        // Texts of pycocotools 2.0.
        assert_eq!(compressed("0182L0000000b0N"), Some(vec![0, 1, 8, 3, 4, 3, 4, 3, 4, 3, 4, 3, 22, 1]));
        assert_eq!(compressed("Pb1T3X600000`o8"), Some(vec![1600, 100, 200, 100, 200, 100, 200, 100, 9400]));
        assert_eq!(compressed("1"), Some(vec![1]));
        assert_eq!(compressed(" "), None);
        assert_eq!(compressed("zzzzzzzzzzzz"), None);
    }

    #[test]
    fn polygons_hold_the_pixels_whose_centre_they_hold() {
        let square = vec![[1.0, 0.0], [3.0, 0.0], [3.0, 2.0], [1.0, 2.0]];
        let hole = vec![[1.6, 0.6], [2.4, 0.6], [2.4, 0.9], [1.6, 0.9]];
        assert_eq!(rows(&polygons(std::slice::from_ref(&square), 4, 3)), [".##.", ".##.", "...."]);
        assert_eq!(rows(&polygons(&[square, hole], 4, 3)), [".##.", ".##.", "...."]);
        let outside = vec![[-5.0, -5.0], [2.0, -5.0], [2.0, 50.0], [-5.0, 50.0]];
        assert_eq!(rows(&polygons(&[outside], 4, 3)), ["##..", "##..", "##.."]);
    }
}
