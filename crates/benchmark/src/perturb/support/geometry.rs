//! Rectangles on the pixel grid: dilation, overlap, area of a union, and moving a set of rectangles away
//! from obstacles.

use rand::Rng;

/// A half-open rectangle of whole pixels: `x0 <= x < x1`, `y0 <= y < y1`. It is empty where no pixel satisfies this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Left edge.
    pub x0: i64,
    /// Top edge.
    pub y0: i64,
    /// One past the right edge.
    pub x1: i64,
    /// One past the bottom edge.
    pub y1: i64,
}

impl Rect {
    /// Returns the smallest whole-pixel rectangle around `[x0, y0, x1, y1]`: left, top, right and bottom edge in
    /// pixels.
    #[must_use]
    pub fn around(bounds: [f64; 4]) -> Self {
        let [x0, y0, x1, y1] = bounds;
        Self { x0: x0.floor() as i64, y0: y0.floor() as i64, x1: x1.ceil() as i64, y1: y1.ceil() as i64 }
    }

    /// Returns the rectangle of a whole image of this size in pixels.
    #[must_use]
    pub fn of_size(width: u32, height: u32) -> Self {
        Self { x0: 0, y0: 0, x1: i64::from(width), y1: i64::from(height) }
    }

    /// Returns the rectangle grown by `by` pixels on every side, also beyond the image; a negative `by` shrinks it.
    #[must_use]
    pub fn grown(self, by: i64) -> Self {
        Self { x0: self.x0 - by, y0: self.y0 - by, x1: self.x1 + by, y1: self.y1 + by }
    }

    /// Returns the rectangle moved by `dx` pixels to the right and `dy` pixels down, also beyond the image.
    #[must_use]
    pub fn moved(self, dx: i64, dy: i64) -> Self {
        Self { x0: self.x0 + dx, y0: self.y0 + dy, x1: self.x1 + dx, y1: self.y1 + dy }
    }

    /// Returns the part of the rectangle inside `other`; an empty rectangle when there is none.
    #[must_use]
    pub fn clipped(self, other: Self) -> Self {
        let (x0, y0) = (self.x0.max(other.x0), self.y0.max(other.y0));
        Self { x0, y0, x1: self.x1.min(other.x1).max(x0), y1: self.y1.min(other.y1).max(y0) }
    }

    /// Returns the number of pixels; 0 for an empty rectangle.
    #[must_use]
    pub fn area(self) -> i64 {
        (self.x1 - self.x0).max(0) * (self.y1 - self.y0).max(0)
    }

    /// Returns the four corners `[x, y]` in pixels, from the upper left one clockwise, as a closed outline.
    #[must_use]
    pub fn corners(self) -> [[f64; 2]; 4] {
        let [x0, y0, x1, y1] = [self.x0, self.y0, self.x1, self.y1].map(|side| side as f64);
        [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    }

    /// Returns corners `[x, y]` of the ellipse that touches all four sides from inside, in pixels, as a closed outline.
    #[must_use]
    pub fn inner_ellipse(self) -> Vec<[f64; 2]> {
        const CORNERS: u32 = 48;
        let [x0, y0, x1, y1] = [self.x0, self.y0, self.x1, self.y1].map(|edge| edge as f64);
        let at = |corner: u32| {
            let angle = std::f64::consts::TAU * f64::from(corner) / f64::from(CORNERS);
            let [x, y] = [libm::cos(angle), libm::sin(angle)];
            [f64::midpoint(x0, x1) + (x1 - x0) / 2.0 * x, f64::midpoint(y0, y1) + (y1 - y0) / 2.0 * y]
        };
        (0..CORNERS).map(at).collect()
    }

    /// Iterates over the parts of the rectangle in a grid of `count` by `count`, row by row; parts of a small rectangle may
    /// be empty.
    pub fn grid(self, count: i64) -> impl Iterator<Item = Self> {
        let at = move |from: i64, to: i64, step: i64| from + (to - from) * step / count;
        let part = move |row: i64, column: i64| Self {
            x0: at(self.x0, self.x1, column),
            y0: at(self.y0, self.y1, row),
            x1: at(self.x0, self.x1, column + 1),
            y1: at(self.y0, self.y1, row + 1),
        };
        (0..count).flat_map(move |row| (0..count).map(move |column| part(row, column)))
    }

    /// Returns the smallest rectangle around all of `rects`; None where there is none.
    #[must_use]
    pub fn around_all(rects: &[Self]) -> Option<Self> {
        rects.iter().copied().reduce(|one, other| Self {
            x0: one.x0.min(other.x0),
            y0: one.y0.min(other.y0),
            x1: one.x1.max(other.x1),
            y1: one.y1.max(other.y1),
        })
    }

    /// Iterates over the pixels `(x, y)` of the rectangle that lie on `picture`, row by row; none where it lies
    /// outside.
    pub fn pixels_in(self, picture: &image::RgbImage) -> impl Iterator<Item = (u32, u32)> + use<> {
        let Self { x0, y0, x1, y1 } = self.clipped(Self::of_size(picture.width(), picture.height()));
        (y0..y1).flat_map(move |y| (x0..x1).map(move |x| (x as u32, y as u32)))
    }

    /// Returns whether any pixel lies in both this rectangle and `other`.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.clipped(other).area() > 0
    }
}

/// Returns the number of pixels inside at least one of `rects`; pixels in several count once.
#[must_use]
pub fn union_area(rects: &[Rect]) -> i64 {
    let mut xs: Vec<i64> = rects.iter().flat_map(|rect| [rect.x0, rect.x1]).collect();
    xs.sort_unstable();
    xs.dedup();
    // Adds up the covered heights in each vertical strip between neighbouring edges.
    xs.windows(2)
        .map(|strip| {
            let mut spans: Vec<(i64, i64)> = rects
                .iter()
                .filter(|rect| rect.x0 <= strip[0] && strip[1] <= rect.x1)
                .map(|rect| (rect.y0, rect.y1))
                .collect();
            spans.sort_unstable();
            let (mut covered, mut reached) = (0, i64::MIN);
            for (start, end) in spans {
                covered += (end - start.max(reached)).max(0);
                reached = reached.max(end);
            }
            covered * (strip[1] - strip[0])
        })
        .sum()
}

/// Returns all `rects` moved by one random common offset, so that they lie within `within` and overlap no rectangle of
/// `avoid`. Shape, area and aspect ratio stay the same. None when no such offset exists or `rects` is empty. An offset
/// is drawn up to 256 times from `rng`; if none fits, the first that fits at an edge of `within` or flush with an
/// obstacle is taken.
#[must_use]
pub fn displaced(rects: &[Rect], avoid: &[Rect], within: Rect, rng: &mut impl Rng) -> Option<Vec<Rect>> {
    let first = *rects.first()?;
    let hull = rects.iter().fold(first, |hull, rect| Rect {
        x0: hull.x0.min(rect.x0),
        y0: hull.y0.min(rect.y0),
        x1: hull.x1.max(rect.x1),
        y1: hull.y1.max(rect.y1),
    });
    let (dx0, dx1) = (within.x0 - hull.x0, within.x1 - hull.x1);
    let (dy0, dy1) = (within.y0 - hull.y0, within.y1 - hull.y1);
    if dx0 > dx1 || dy0 > dy1 {
        return None;
    }
    let free = |dx: i64, dy: i64| {
        rects.iter().all(|rect| avoid.iter().all(|obstacle| !rect.moved(dx, dy).overlaps(*obstacle)))
    };
    let drawn = (0..256).map(|_| (rng.random_range(dx0..=dx1), rng.random_range(dy0..=dy1))).find(|&(x, y)| free(x, y));
    // 256 draws can miss a tight fit. When a free offset exists, one lies at an edge of the frame or flush with
    // an obstacle.
    let (dx, dy) = drawn.or_else(|| {
        let flush = |low: i64, high: i64, edges: Vec<i64>| {
            let mut offsets: Vec<i64> =
                [low, high].into_iter().chain(edges).filter(|d| (low..=high).contains(d)).collect();
            offsets.sort_unstable();
            offsets.dedup();
            offsets
        };
        let pairs = || rects.iter().flat_map(|rect| avoid.iter().map(move |obstacle| (rect, obstacle)));
        let xs = flush(dx0, dx1, pairs().flat_map(|(r, o)| [o.x1 - r.x0, o.x0 - r.x1]).collect());
        let ys = flush(dy0, dy1, pairs().flat_map(|(r, o)| [o.y1 - r.y0, o.y0 - r.y1]).collect());
        xs.into_iter().flat_map(|x| ys.iter().map(move |&y| (x, y))).find(|&(x, y)| free(x, y))
    })?;
    Some(rects.iter().map(|rect| rect.moved(dx, dy)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stepwise_data::random::stream;

    fn rect(side: i64) -> impl Strategy<Value = Rect> {
        (0..side - 1, 0..side - 1, 1..side / 2, 1..side / 2).prop_map(move |(x0, y0, w, h)| Rect {
            x0,
            y0,
            x1: (x0 + w).min(side),
            y1: (y0 + h).min(side),
        })
    }

    proptest! {
        #[test]
        fn the_area_of_a_union_is_the_number_of_covered_pixels(rects in prop::collection::vec(rect(24), 0..5)) {
            let inside = |x: i64, y: i64| rects.iter().any(|r| r.x0 <= x && x < r.x1 && r.y0 <= y && y < r.y1);
            let counted = (0..24).flat_map(|y| (0..24).map(move |x| (x, y))).filter(|&(x, y)| inside(x, y)).count();
            prop_assert_eq!(union_area(&rects), counted as i64);
        }

        #[test]
        fn a_displaced_set_keeps_its_shape_inside_and_clear_and_is_found_whenever_one_exists(
            rects in prop::collection::vec(rect(16), 1..3), seed in any::<u64>()
        ) {
            let within = Rect::of_size(16, 16);
            let exists = (-16..=16).any(|dx| (-16..=16).any(|dy| rects.iter().all(|r| {
                let moved = r.moved(dx, dy);
                moved.clipped(within) == moved && rects.iter().all(|obstacle| !moved.overlaps(*obstacle))
            })));
            let found = displaced(&rects, &rects, within, &mut stream(seed, &["t"]));
            prop_assert_eq!(found.is_some(), exists);
            if let Some(moved) = found {
                prop_assert_eq!(union_area(&moved), union_area(&rects));
                for (new, old) in moved.iter().zip(&rects) {
                    prop_assert_eq!((new.x1 - new.x0, new.y1 - new.y0), (old.x1 - old.x0, old.y1 - old.y0));
                    prop_assert!(new.clipped(within) == *new && rects.iter().all(|obstacle| !new.overlaps(*obstacle)));
                }
            }
        }
    }
}
