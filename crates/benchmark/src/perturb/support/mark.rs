//! Marks drawn on images: boxes, ellipses, contours, arrows and points, in one colour. Boxes, ellipses and contours lie
//! around the marked region, and arrows end at its edge, so they hide none of it. Points lie on it.

use image::{Rgb, RgbImage};
use serde::Deserialize;

use super::geometry::Rect;
use crate::perturb::Edit;

/// Appearance of the marks that a condition draws on images: its parameters in a suite file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Style {
    /// Shape of the mark; a box by default.
    pub shape: Shape,
    /// Width of the line as a share of the image's shorter side; 0.008 by default. A line is at least 2 pixels wide.
    pub width: f64,
    /// Colour as red, green and blue, 0 to 255; `[255, 64, 64]` by default.
    pub colour: [u8; 3],
}

impl Default for Style {
    fn default() -> Self {
        Self { shape: Shape::Box, width: 0.008, colour: [255, 64, 64] }
    }
}

/// Shape of a mark on a region of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The bounding box of the region.
    Box,
    /// The smallest ellipse around the bounding box that has the proportions of the box.
    Ellipse,
    /// The recorded outline of the region.
    Contour,
    /// An arrow from outside to the recorded outline of the region.
    Arrow,
    /// A disc inside the recorded outline of the region, at half its height.
    Point,
}

/// One mark on one image, placed. Coordinates are in pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// A box around the rectangle.
    Box(Rect),
    /// An ellipse through the rectangle's corners.
    Ellipse(Rect),
    /// A line around a closed polygon of `[x, y]` corners.
    Contour(Vec<[f64; 2]>),
    /// A shaft with an arrow head.
    Arrow {
        /// Start of the shaft, `[x, y]`.
        tail: [f64; 2],
        /// Point of the arrow head, `[x, y]`.
        tip: [f64; 2],
    },
    /// A disc around this centre, `[x, y]`.
    Point([f64; 2]),
}

/// Length of an arrow as a share of the image's shorter side.
const ARROW: f64 = 0.15;
/// Directions from the region's centre to the start of an arrow, in the order they are tried: right, up-right, up, ...
const WAYS: [[f64; 2]; 8] = {
    const D: f64 = std::f64::consts::FRAC_1_SQRT_2;
    [[1.0, 0.0], [D, -D], [0.0, -1.0], [-D, -D], [-1.0, 0.0], [-D, D], [0.0, 1.0], [D, D]]
};

impl Shape {
    /// Returns whether the mark needs the recorded outline of the region. Without it, an arrow or a point at the bounding
    /// box may miss the region.
    #[must_use]
    pub fn needs_outline(self) -> bool {
        matches!(self, Self::Contour | Self::Arrow | Self::Point)
    }
}

impl Style {
    /// Returns the width of the line in pixels, at least 2, on an image of the size of `frame`, whose upper left corner
    /// is (0, 0).
    #[must_use]
    pub fn line(&self, frame: Rect) -> i64 {
        ((self.width * frame.x1.min(frame.y1) as f64).round() as i64).max(2)
    }

    /// Returns how many pixels a mark of `rect` extends beyond `rect`, at most, on an image of the size of `frame`. For
    /// an arrow this is only the line width, although its shaft extends further.
    #[must_use]
    pub fn overhang(&self, rect: Rect, frame: Rect) -> i64 {
        let line = self.line(frame);
        match self.shape {
            // A half axis of the ellipse exceeds half the side of the box by (sqrt(2) - 1) / 2 of the side, below 3/14.
            Shape::Ellipse => line + 1 + ((rect.x1 - rect.x0).max(rect.y1 - rect.y0) * 3 + 13) / 14,
            Shape::Point => 0,
            Shape::Box | Shape::Contour | Shape::Arrow => line,
        }
    }

    /// Returns the mark of the region `rect` on an image of the size of `frame`. `outline` is the recorded outline as
    /// `[x, y]` corners in pixels; it may be empty where [`Shape::needs_outline`] is false. An arrow takes the first of
    /// eight directions, starting with number `way` (from 0), in which it stays on the image and crosses no rectangle of
    /// `avoid`; without such a direction it takes `way`.
    #[must_use]
    pub fn figure(&self, rect: Rect, outline: &[[f64; 2]], frame: Rect, avoid: &[Rect], way: usize) -> Figure {
        match self.shape {
            Shape::Box => Figure::Box(rect),
            Shape::Ellipse => Figure::Ellipse(rect),
            Shape::Contour => Figure::Contour(outline.to_vec()),
            Shape::Point => Figure::Point(inner_point(rect, outline)),
            Shape::Arrow => self.arrow(rect, outline, frame, avoid, way),
        }
    }

    fn arrow(&self, rect: Rect, outline: &[[f64; 2]], frame: Rect, avoid: &[Rect], way: usize) -> Figure {
        let length = (ARROW * frame.x1.min(frame.y1) as f64).max(8.0);
        let line = self.line(frame);
        let arrow = |way: usize| {
            let [dx, dy] = WAYS[way % WAYS.len()];
            let [x, y] = inner_point(rect, outline);
            let reach = last_crossing([x, y], [dx, dy], outline);
            let along = |far: f64| [x + dx * far, y + dy * far];
            (along(reach + length), along(reach))
        };
        let clear = |(tail, tip): &([f64; 2], [f64; 2])| {
            let low = |axis: usize| tail[axis].min(tip[axis]);
            let high = |axis: usize| tail[axis].max(tip[axis]);
            let taken = Rect::around([low(0), low(1), high(0), high(1)]).grown(line);
            taken.clipped(frame) == taken && avoid.iter().all(|rect| !rect.overlaps(taken))
        };
        let ways = (way..way + WAYS.len()).map(arrow);
        let (tail, tip) = ways.clone().find(clear).unwrap_or_else(|| arrow(way));
        Figure::Arrow { tail, tip }
    }
}

/// Returns a point inside `outline` at half the height of `rect`, its bounding box: the middle of the longest stretch of
/// this row that lies inside. The centre of `rect` without such a stretch.
fn inner_point(rect: Rect, outline: &[[f64; 2]]) -> [f64; 2] {
    let [x, y] = middle(rect);
    let mut edges: Vec<f64> = sides(outline)
        .filter(|(from, to)| (from[1] > y) != (to[1] > y))
        .map(|(from, to)| from[0] + (to[0] - from[0]) * (y - from[1]) / (to[1] - from[1]))
        .collect();
    edges.sort_by(f64::total_cmp);
    let longest = edges.chunks_exact(2).max_by(|one, other| (one[1] - one[0]).total_cmp(&(other[1] - other[0])));
    longest.map_or([x, y], |edges| [f64::midpoint(edges[0], edges[1]), y])
}

/// Returns the distance from a point inside `outline` to the last crossing of the outline in the direction of the unit
/// vector `way`; 0 without a crossing.
fn last_crossing(from: [f64; 2], way: [f64; 2], outline: &[[f64; 2]]) -> f64 {
    // Signed distance of a point from the ray's line.
    let beside = |at: &[f64; 2]| (at[0] - from[0]) * way[1] - (at[1] - from[1]) * way[0];
    let along = |at: &[f64; 2]| (at[0] - from[0]) * way[0] + (at[1] - from[1]) * way[1];
    let crossings =
        sides(outline).filter(|(one, other)| (beside(one) > 0.0) != (beside(other) > 0.0)).map(|(one, other)| {
            let part = beside(one) / (beside(one) - beside(other));
            along(one) + (along(other) - along(one)) * part
        });
    crossings.fold(0.0, f64::max)
}

/// Iterates over the sides of a closed polygon, each as its two corners.
fn sides(outline: &[[f64; 2]]) -> impl Iterator<Item = (&[f64; 2], &[f64; 2])> {
    outline.iter().zip(outline.iter().cycle().skip(1))
}

fn middle(rect: Rect) -> [f64; 2] {
    [(rect.x0 + rect.x1) as f64 / 2.0, (rect.y0 + rect.y1) as f64 / 2.0]
}

/// Edit that draws marks of one style on the images of a case; later marks cover earlier ones.
#[derive(Clone, Debug)]
pub struct Marks {
    /// Marks to draw, in this order: index of the image in the case, from 0, and the figure on it.
    pub figures: Vec<(usize, Figure)>,
    /// Appearance of the marks.
    pub style: Style,
}

impl Edit for Marks {
    fn key(&self) -> String {
        format!("marks:{}:{:?}:{:?}", self.style.width, self.style.colour, self.figures)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        let line = self.style.line(Rect::of_size(picture.width(), picture.height()));
        for (_, figure) in self.figures.iter().filter(|(image, _)| *image == index) {
            for (x, y) in figure.reach(line).pixels_in(picture) {
                if figure.covers([f64::from(x) + 0.5, f64::from(y) + 0.5], line as f64) {
                    picture.put_pixel(x, y, Rgb(self.style.colour));
                }
            }
        }
    }
}

impl Figure {
    /// Returns a rectangle around the whole figure, drawn with a line of `line` pixels.
    fn reach(&self, line: i64) -> Rect {
        let around = |points: &[[f64; 2]]| {
            let bounds = points.iter().fold([f64::MAX, f64::MAX, f64::MIN, f64::MIN], |[x0, y0, x1, y1], [x, y]| {
                [x0.min(*x), y0.min(*y), x1.max(*x), y1.max(*y)]
            });
            Rect::around(bounds)
        };
        match self {
            Self::Box(rect) => rect.grown(line),
            Self::Ellipse(rect) => rect.grown((rect.x1 - rect.x0).max(rect.y1 - rect.y0) / 2 + line),
            Self::Contour(points) => around(points).grown(line),
            Self::Arrow { tail, tip } => around(&[*tail, *tip]).grown(3 * line),
            Self::Point(at) => around(&[*at]).grown(2 * line),
        }
    }

    /// Returns whether the figure, drawn with a line of `line` pixels, covers the point `at`.
    fn covers(&self, at: [f64; 2], line: f64) -> bool {
        match self {
            Self::Box(rect) => {
                let inside = |rect: Rect| {
                    let [x, y] = at;
                    (rect.x0 as f64..rect.x1 as f64).contains(&x) && (rect.y0 as f64..rect.y1 as f64).contains(&y)
                };
                inside(rect.grown(line as i64)) && !inside(*rect)
            }
            Self::Ellipse(rect) => {
                let [x, y] = middle(*rect);
                let half = |from: i64, to: i64| (to - from) as f64 * std::f64::consts::FRAC_1_SQRT_2;
                let inside = |grown: f64| {
                    let dx = (at[0] - x) / (half(rect.x0, rect.x1) + grown);
                    let dy = (at[1] - y) / (half(rect.y0, rect.y1) + grown);
                    dx * dx + dy * dy <= 1.0
                };
                inside(line) && !inside(0.0)
            }
            Self::Contour(points) => {
                // A ray to the right from a point inside crosses the outline an odd number of times.
                let crossed = sides(points).filter(|(from, to)| {
                    (from[1] > at[1]) != (to[1] > at[1])
                        && at[0] < from[0] + (to[0] - from[0]) * (at[1] - from[1]) / (to[1] - from[1])
                });
                crossed.count() % 2 == 0 && sides(points).any(|(from, to)| distance(at, *from, *to) <= line)
            }
            Self::Arrow { tail, tip } => {
                let [dx, dy] = [tip[0] - tail[0], tip[1] - tail[1]];
                let length = (dx * dx + dy * dy).sqrt().max(f64::MIN_POSITIVE);
                let unit = [dx / length, dy / length];
                // Distance behind the tip, and distance from the axis of the shaft.
                let [x, y] = [tip[0] - at[0], tip[1] - at[1]];
                let (behind, beside) = (x * unit[0] + y * unit[1], (x * unit[1] - y * unit[0]).abs());
                let head = 4.0 * line;
                let in_head = (0.0..=head).contains(&behind) && beside <= behind / 2.0;
                in_head || ((head..=length).contains(&behind) && beside <= line / 2.0)
            }
            Self::Point(middle) => distance(at, *middle, *middle) <= 1.5 * line,
        }
    }
}

/// Returns the distance from the point `at` to the line segment between `from` and `to`.
fn distance(at: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    let squared = dx * dx + dy * dy;
    let along = ((at[0] - from[0]) * dx + (at[1] - from[1]) * dy) / squared;
    let along = if squared > 0.0 { along.clamp(0.0, 1.0) } else { 0.0 };
    let [x, y] = [at[0] - from[0] - along * dx, at[1] - from[1] - along * dy];
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECT: Rect = Rect { x0: 30, y0: 40, x1: 50, y1: 52 };
    const OUTLINE: [[f64; 2]; 3] = [[30.0, 40.0], [50.0, 40.0], [40.0, 52.0]];
    const FRAME: Rect = Rect { x0: 0, y0: 0, x1: 100, y1: 100 };

    fn drawn(shape: Shape, avoid: &[Rect], way: usize) -> Vec<(u32, u32)> {
        let style = Style { shape, ..Style::default() };
        let outline = if shape == Shape::Contour { OUTLINE.to_vec() } else { RECT.corners().to_vec() };
        let figures = vec![(0, style.figure(RECT, &outline, FRAME, avoid, way))];
        let mut picture = RgbImage::new(100, 100);
        Marks { figures, style }.apply(0, &mut picture);
        picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] == 255).map(|(x, y, _)| (x, y)).collect()
    }

    fn inside((x, y): (u32, u32)) -> bool {
        (30..50).contains(&x) && (40..52).contains(&y)
    }

    #[test]
    fn every_shape_is_drawn_where_it_belongs() {
        let counts: Vec<usize> = [Shape::Box, Shape::Ellipse, Shape::Contour, Shape::Arrow, Shape::Point]
            .map(|shape| drawn(shape, &[], 0))
            .map(|pixels| pixels.len())
            .to_vec();
        assert_eq!(counts[0], 24 * 16 - 20 * 12);
        // Rings of two pixels around an ellipse with half axes 14.1 and 8.5 and around a triangle: perimeter
        // times width.
        assert!((130..190).contains(&counts[1]), "{counts:?}");
        assert!((100..130).contains(&counts[2]), "{counts:?}");
        assert!(counts[3] > 2 * 15 && counts[3] < 80, "{counts:?}");
        assert!((24..34).contains(&counts[4]), "{counts:?}");
        for shape in [Shape::Box, Shape::Ellipse, Shape::Arrow] {
            assert!(!drawn(shape, &[], 0).into_iter().any(inside), "{shape:?}");
        }
        // The upper side of the triangle is the upper side of the box, and the line lies above it.
        let contour = drawn(Shape::Contour, &[], 0);
        assert!(contour.contains(&(40, 39)) && !contour.contains(&(40, 41)) && !contour.contains(&(40, 45)));
        assert!(drawn(Shape::Point, &[], 0).into_iter().all(inside));
    }

    #[test]
    fn arrows_and_points_meet_the_outline_and_not_its_box() {
        // A horseshoe that is open above: the middle of its box lies outside of it.
        let horseshoe = [
            [30.0, 30.0],
            [40.0, 30.0],
            [40.0, 60.0],
            [60.0, 60.0],
            [60.0, 30.0],
            [75.0, 30.0],
            [75.0, 70.0],
            [30.0, 70.0],
        ];
        let rect = Rect { x0: 30, y0: 30, x1: 75, y1: 70 };
        let of = |shape, way| Style { shape, ..Style::default() }.figure(rect, &horseshoe, FRAME, &[], way);
        assert_eq!(of(Shape::Point, 0), Figure::Point([67.5, 50.0]));
        for way in 0..8 {
            let Figure::Arrow { tip: [x, y], .. } = of(Shape::Arrow, way) else { panic!("an arrow") };
            let on = |from: &[f64; 2], to: &[f64; 2]| distance([x, y], *from, *to) < 1e-6;
            assert!(sides(&horseshoe).any(|(from, to)| on(from, to)), "{way}: {x}, {y}");
        }
    }

    proptest! {
        #[test]
        fn an_arrow_avoids_what_it_can(way in 0usize..8) {
            // Only an arrow from below crosses no rectangle.
            let rect = |x0, y0, x1, y1| Rect { x0, y0, x1, y1 };
            let avoid = [rect(0, 0, 100, 38), rect(0, 38, 28, 60), rect(52, 38, 100, 60)];
            let pixels = drawn(Shape::Arrow, &avoid, way);
            prop_assert!(!pixels.is_empty() && pixels.iter().all(|(_, y)| *y >= 51), "{:?}", pixels);
        }
    }
}
