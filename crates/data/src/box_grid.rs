//! Boxes on the grid of whole coordinates in which they are answered.

use crate::box_format::BoxFormat;

/// Grid of box coordinates over one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BoxGrid {
    /// Unit of the coordinates.
    pub format: BoxFormat,
    /// Largest coordinates, across and down, each at least 1: the coordinates of the lower right corner of the image.
    pub steps: [u32; 2],
}

impl Default for BoxGrid {
    /// Returns the grid of percents.
    fn default() -> Self {
        Self::new(BoxFormat::Percent, [0; 2])
    }
}

impl BoxGrid {
    /// Returns the grid of `format`. `resized` is the width and height of the image as the model's processor resizes it;
    /// only [`BoxFormat::Pixels`] uses it.
    #[must_use]
    pub fn new(format: BoxFormat, resized: [u32; 2]) -> Self {
        let steps = match format {
            BoxFormat::Percent => [100; 2],
            BoxFormat::PerMille => [1000; 2],
            BoxFormat::Pixels => resized.map(|side| side.max(1)),
        };
        Self { format, steps }
    }

    /// Returns a box `[x0, y0, x1, y1]`, in pixels of an image of `size` (width and height), in coordinates of the grid, not
    /// rounded.
    #[must_use]
    pub fn exact(self, bounds: [f64; 4], size: [u32; 2]) -> [f64; 4] {
        let scaled = |place: usize| bounds[place] / f64::from(size[place % 2]) * f64::from(self.steps[place % 2]);
        [0, 1, 2, 3].map(scaled)
    }

    /// Returns the answer `[left, top, right, bottom]` that stands for a box `[x0, y0, x1, y1]` in pixels of an image of
    /// `size`: its coordinates rounded to the grid, within the image. Where this answer has no area, or an intersection
    /// over union with the box below `iou_ok`, the answer with the largest one is returned. The answer always has an area.
    #[must_use]
    pub fn answer(self, bounds: [f64; 4], size: [u32; 2], iou_ok: f64) -> [u32; 4] {
        let exact = self.exact(bounds, size);
        let nearest = [0, 1, 2, 3].map(|place| self.clipped(exact[place].round(), place));
        let has_area = nearest[0] < nearest[2] && nearest[1] < nearest[3];
        if has_area && iou(nearest.map(f64::from), exact) >= iou_ok { nearest } else { self.best(exact) }
    }

    /// Returns the largest intersection over union, 0 to 1, of a box `[x0, y0, x1, y1]` in pixels of an image of `size`, with
    /// an answer on the grid.
    #[must_use]
    pub fn best_overlap(self, bounds: [f64; 4], size: [u32; 2]) -> f64 {
        let exact = self.exact(bounds, size);
        iou(self.best(exact).map(f64::from), exact)
    }

    /// The answer with the largest intersection over union with `exact`. A side of it lies on one of the two coordinates
    /// next to the side of `exact`, because the overlap shrinks with every step further away.
    fn best(self, exact: [f64; 4]) -> [u32; 4] {
        let [across, down] = [0, 1].map(|axis| self.spans(exact[axis], exact[axis + 2], axis));
        let mut best = ([across[0][0], down[0][0], across[0][1], down[0][1]], -1.0);
        for [left, right] in &across {
            for [top, bottom] in &down {
                let found = [*left, *top, *right, *bottom];
                let overlap = iou(found.map(f64::from), exact);
                if overlap > best.1 {
                    best = (found, overlap);
                }
            }
        }
        best.0
    }

    /// Spans `[from, to]` of whole coordinates on an axis with an extent, next to `from` and `to`; at least one.
    fn spans(self, from: f64, to: f64, axis: usize) -> Vec<[u32; 2]> {
        let next = |side: f64| [side.floor(), side.ceil()].map(|side| self.clipped(side, axis));
        let ends = next(to);
        let pairs = next(from).into_iter().flat_map(|from| ends.map(|to| [from, to]));
        let mut spans: Vec<[u32; 2]> = pairs.filter(|[from, to]| from < to).collect();
        if spans.is_empty() {
            // The box has no extent within the image.
            let from = self.clipped(from.floor(), axis).min(self.steps[axis] - 1);
            spans.push([from, from + 1]);
        }
        spans
    }

    fn clipped(self, side: f64, place: usize) -> u32 {
        side.clamp(0.0, f64::from(self.steps[place % 2])) as u32
    }
}

/// Computes the intersection over union, 0 to 1, of two boxes `[left, top, right, bottom]` in one unit; 0 where the
/// union is empty.
#[must_use]
pub fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |[x0, y0, x1, y1]: [f64; 4]| (x1 - x0).max(0.0) * (y1 - y0).max(0.0);
    let shared = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIXELS: BoxGrid = BoxGrid { format: BoxFormat::Pixels, steps: [28, 56] };

    #[test]
    fn coordinates_are_rounded_to_the_grid_of_the_format() {
        let bounds = [20.0, 10.0, 60.4, 50.0];
        let answer = |grid: BoxGrid| grid.answer(bounds, [200, 100], 0.5);
        assert_eq!(answer(BoxGrid::default()), [10, 10, 30, 50]);
        assert_eq!(answer(BoxGrid::new(BoxFormat::PerMille, [28, 56])), [100, 100, 302, 500]);
        assert_eq!(answer(BoxGrid::new(BoxFormat::Pixels, [28, 56])), [3, 6, 8, 28]);
    }

    #[test]
    fn an_answer_always_has_an_area() {
        for grid in [BoxGrid::default(), PIXELS, BoxGrid { steps: [1, 1], ..PIXELS }] {
            for bounds in [[500.0, 500.0, 500.1, 500.1], [0.0; 4], [1000.0; 4], [-9.0, -9.0, -5.0, 2000.0]] {
                for iou_ok in [0.0, 0.5] {
                    let [left, top, right, bottom] = grid.answer(bounds, [1000, 1000], iou_ok);
                    assert!(left < right && top < bottom, "{grid:?} {bounds:?} {iou_ok}");
                    assert!(right <= grid.steps[0] && bottom <= grid.steps[1], "{grid:?} {bounds:?} {iou_ok}");
                }
            }
        }
    }

    #[test]
    fn the_best_answer_replaces_a_rounded_one_that_is_too_far_away() {
        // Rounded, the box is 1 wide, and the overlap is 1 / 1.98. With 1 and 4 it is 1.98 / 3.
        let (grid, bounds) = (BoxGrid::default(), [1.51, 0.0, 3.49, 100.0]);
        assert_eq!(grid.answer(bounds, [100, 100], 0.5), [2, 0, 3, 100]);
        assert_eq!(grid.answer(bounds, [100, 100], 0.6), [1, 0, 4, 100]);
    }

    #[test]
    fn overlap_of_known_boxes() {
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]), 1.0 / 3.0);
        assert_eq!(iou([0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0]), 0.0);
        assert_eq!(iou([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]), 0.0);
    }

    proptest! {
        /// No answer on a small grid overlaps more than the best one.
        #[test]
        fn the_best_overlap_is_the_largest_of_all_answers(
            x in -2.0..13.0f64, y in 0.0..11.0f64, width in 0.01..9.0f64, height in 0.01..9.0f64
        ) {
            let grid = BoxGrid { format: BoxFormat::Pixels, steps: [11, 13] };
            let bounds = [x, y, x + width, y + height];
            let best = grid.best_overlap(bounds, [11, 13]);
            for left in 0..11_u32 {
                for right in left + 1..=11 {
                    for (top, bottom) in (0..13_u32).flat_map(|top| (top + 1..=13).map(move |bottom| (top, bottom))) {
                        let found = [left, top, right, bottom].map(f64::from);
                        prop_assert!(iou(found, bounds) <= best + 1e-9, "{:?}", found);
                    }
                }
            }
        }
    }
}
