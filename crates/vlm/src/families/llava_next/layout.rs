//! Sizes of an image in LLaVA-NeXT: the resolution it is enlarged or reduced to, its padding, and the features of padding.

use crate::images::grid::ImageGrid;

/// Height and width, in pixels or patches.
pub(super) type Size = [u32; 2];

/// Returns the resolution of `pinpoints` that keeps most pixels of an image of the size `original`; of several, the one with
/// the fewest pixels of padding (`select_best_resolution` of transformers). `pinpoints` is not empty.
pub(super) fn best_resolution(original: Size, pinpoints: &[Size]) -> Size {
    let own = u64::from(original[0]) * u64::from(original[1]);
    let mut best: Option<(u64, u64, Size)> = None;
    for pinpoint in pinpoints {
        let scale = scale(original, *pinpoint, 1).min(scale(original, *pinpoint, 0));
        let [height, width] = original.map(|side| (f64::from(side) * scale) as u64);
        let effective = (height * width).min(own);
        let wasted = u64::from(pinpoint[0]) * u64::from(pinpoint[1]) - effective;
        let better = best.is_none_or(|(most, least, _)| effective > most || (effective == most && wasted < least));
        if better {
            best = Some((effective, wasted, *pinpoint));
        }
    }
    best.map_or(original, |(_, _, pinpoint)| pinpoint)
}

/// Factor that makes one side of `original` as long as that side of `target`; side 0 is the height, 1 the width.
fn scale(original: Size, target: Size, side: usize) -> f64 {
    f64::from(target[side]) / f64::from(original[side])
}

/// Returns the size of an image within `target`, with the aspect ratio of `original` (`get_patch_output_size`).
pub(super) fn fitted(original: Size, target: Size) -> Size {
    let [by_height, by_width] = [0, 1].map(|side| scale(original, target, side));
    let longer = |side: usize, scale: f64| ((f64::from(original[side]) * scale).ceil() as u32).min(target[side]);
    match by_width < by_height {
        true => [longer(0, by_width), target[1]],
        false => [target[0], longer(1, by_height)],
    }
}

/// Returns the numbers of feature rows and columns that are left out on each side of the joined tiles, which have `features`
/// rows and columns (`unpad_image`).
pub(super) fn margins(original: Size, features: Size) -> [usize; 2] {
    let ratio = |size: Size| f64::from(size[1]) / f64::from(size[0]);
    let margin = |side: usize, scale: f64| {
        // Python's round(x, 7), so that a product just below a whole number counts as this number.
        let kept = (f64::from(original[side]) * scale * 1e7).round_ties_even() / 1e7;
        (features[side].saturating_sub(kept as u32) / 2) as usize
    };
    match ratio(original) > ratio(features) {
        true => [margin(0, scale(original, features, 1)), 0],
        false => [0, margin(1, scale(original, features, 0))],
    }
}

/// Returns the numbers of rows and columns of features that are left after the margins, in tiles of `side` x `side`
/// features.
pub(super) fn kept(grid: ImageGrid, side: usize) -> [usize; 2] {
    let [top, left] = grid.margins;
    [(grid.rows * side).saturating_sub(2 * top), (grid.columns * side).saturating_sub(2 * left)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINPOINTS: [Size; 5] = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]];

    #[test]
    fn resolutions_equal_those_of_transformers() {
        // Computed with `select_best_resolution` of transformers 5.24.
        for (original, expected) in
            [([100, 100], [336, 672]), ([480, 640], [672, 672]), ([1000, 300], [1008, 336]), ([1, 5000], [336, 672])]
        {
            assert_eq!(best_resolution(original, &PINPOINTS), expected, "{original:?}");
        }
    }

    #[test]
    fn an_image_is_fitted_and_its_margins_are_left_out() {
        assert_eq!((fitted([480, 640], [672, 672]), margins([480, 640], [48, 48])), ([504, 672], [6, 0]));
        assert_eq!((fitted([640, 480], [672, 672]), margins([640, 480], [48, 48])), ([672, 504], [0, 6]));
        // 48 * (3 / 7) * (7 / 3) is a little less than 48 in floating point.
        assert_eq!(margins([7, 7], [48, 48]), [0, 0]);
        let line = ImageGrid { rows: 1, columns: 2, margins: [12, 0], ..ImageGrid::whole(336, 336) };
        assert_eq!((margins([1, 5000], [24, 48]), kept(line, 24)), ([12, 0], [0, 48]));
    }
}
