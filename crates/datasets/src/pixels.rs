//! Operations on masks: pasting a crop, union, and counting of separate parts.

use stepwise_data::image::Mask;

/// Returns an empty mask of `width` x `height` pixels with `crop` pasted at (`left`, `top`). None when the crop does
/// not fit or has no columns.
pub(super) fn paste(crop: &Mask, left: u32, top: u32, width: u32, height: u32) -> Option<Mask> {
    let fits = left.checked_add(crop.width)? <= width && top.checked_add(crop.height)? <= height;
    if !fits || crop.width == 0 {
        return None;
    }
    let mut inside = vec![false; width as usize * height as usize];
    for (y, row) in crop.inside.chunks(crop.width as usize).enumerate() {
        let start = (top as usize + y) * width as usize + left as usize;
        inside[start..start + row.len()].copy_from_slice(row);
    }
    Some(Mask { width, height, inside })
}

/// Returns the union of masks of equal size; None when there are no masks. The result has the size of the first.
pub(super) fn union<'a>(masks: impl IntoIterator<Item = &'a Mask>) -> Option<Mask> {
    masks.into_iter().fold(None, |sum: Option<Mask>, mask| match sum {
        None => Some(mask.clone()),
        Some(mut sum) => {
            sum.inside.iter_mut().zip(&mask.inside).for_each(|(sum, inside)| *sum |= inside);
            Some(sum)
        }
    })
}

/// Counts the connected parts of a mask that have at least `least` pixels. Pixels that touch at sides or corners are
/// connected.
pub(super) fn parts(mask: &Mask, least: usize) -> usize {
    let (width, height) = (mask.width as usize, mask.height as usize);
    let mut left = mask.inside.clone();
    let mut found = 0;
    let mut reached = Vec::new();
    for start in 0..left.len() {
        if !left[start] {
            continue;
        }
        left[start] = false;
        reached.push(start);
        let mut area = 0;
        while let Some(place) = reached.pop() {
            area += 1;
            let (x, y) = (place % width, place / width);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let next = ny * width + nx;
                    if left[next] {
                        left[next] = false;
                        reached.push(next);
                    }
                }
            }
        }
        found += usize::from(area >= least);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let inside = rows.iter().flat_map(|row| row.bytes().map(|letter| letter == b'#')).collect();
        Mask { width: rows[0].len() as u32, height: rows.len() as u32, inside }
    }

    #[test]
    fn a_crop_lands_at_its_left_and_top() {
        let crop = mask(&["#.", ".#", "##"]);
        let whole = paste(&crop, 3, 1, 5, 4).expect("fits");
        assert_eq!(whole, mask(&[".....", "...#.", "....#", "...##"]));
        assert_eq!(paste(&crop, 4, 1, 5, 4), None);
        assert_eq!(paste(&crop, 3, 2, 5, 4), None);
        assert_eq!(paste(&crop, u32::MAX, 0, 5, 4), None);
    }

    #[test]
    fn corners_join_parts_and_small_parts_do_not_count() {
        let drawn = mask(&["#..##", ".#...", "....#"]);
        assert_eq!(parts(&drawn, 1), 3);
        assert_eq!(parts(&drawn, 2), 2);
        assert_eq!(parts(&drawn, 3), 0);
    }

    #[test]
    fn a_union_holds_the_pixels_of_all_masks() {
        assert_eq!(union(&[mask(&["#.."]), mask(&["..#"])]), Some(mask(&["#.#"])));
        assert_eq!(union(&[]), None);
    }
}
