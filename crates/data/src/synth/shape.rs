//! Shapes as signed distances (negative inside), in image units: the image's side is 1, the origin is its top left
//! corner. Image and masks are computed from the same distances, so they cannot disagree.

/// A closed figure.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// An ellipse with half axes `radii`, its first axis along the unit vector `axis`.
    Ellipse { centre: [f64; 2], radii: [f64; 2], axis: [f64; 2] },
    /// A superellipse of exponent 4: a rectangle with generously rounded corners.
    Block { centre: [f64; 2], radii: [f64; 2], axis: [f64; 2] },
    /// All points within `radius` of a segment; `taper` narrows the shape to a point at `to`.
    Bar { from: [f64; 2], to: [f64; 2], radius: f64, taper: bool },
    /// An axis-parallel rectangle.
    Rect { low: [f64; 2], high: [f64; 2] },
    /// A sector of a ring around `apex` between the radii `near` and `far`, opening downwards; `slope` is its
    /// half-width per unit of depth.
    Fan { apex: [f64; 2], near: f64, far: f64, slope: f64 },
    /// The half-plane above (`upper`) or below the horizontal line at `level`.
    Half { level: f64, upper: bool },
    /// Union of shapes.
    Any(Vec<Shape>),
    /// Intersection of shapes.
    All(Vec<Shape>),
    /// A shape shrunk by this distance.
    Inset(Box<Shape>, f64),
}

impl Shape {
    /// Makes a disc.
    pub(super) fn disc(centre: [f64; 2], radius: f64) -> Self {
        Self::Ellipse { centre, radii: [radius, radius], axis: [1.0, 0.0] }
    }

    /// Makes a broken line through `points` with the half-width `radius`. Fewer than two points give an empty shape.
    pub(super) fn line(points: &[[f64; 2]], radius: f64) -> Self {
        Self::Any(points.windows(2).map(|p| Self::Bar { from: p[0], to: p[1], radius, taper: false }).collect())
    }

    /// Returns the signed distance of a point to the outline, negative inside: correct to first order near the outline,
    /// and of the right sign everywhere.
    pub(super) fn distance(&self, point: [f64; 2]) -> f64 {
        match self {
            Self::Ellipse { centre, radii, axis } => {
                let [x, y] = local(point, *centre, *axis);
                let scaled = length(x / radii[0], y / radii[1]);
                let slope = length(x / (radii[0] * radii[0]), y / (radii[1] * radii[1]));
                if slope < 1e-9 { -radii[0].min(radii[1]) } else { scaled * (scaled - 1.0) / slope }
            }
            Self::Block { centre, radii, axis } => {
                let [x, y] = local(point, *centre, *axis);
                let (u, v) = ((x / radii[0]).abs(), (y / radii[1]).abs());
                let scaled = (u * u * u * u + v * v * v * v).sqrt().sqrt();
                if scaled < 1e-9 {
                    return -radii[0].min(radii[1]);
                }
                let (u, v) = (u / scaled, v / scaled);
                (scaled - 1.0) / length(u * u * u / radii[0], v * v * v / radii[1])
            }
            Self::Bar { from, to, radius, taper } => {
                let [ax, ay] = [to[0] - from[0], to[1] - from[1]];
                let [px, py] = [point[0] - from[0], point[1] - from[1]];
                let along = ((px * ax + py * ay) / (ax * ax + ay * ay).max(1e-12)).clamp(0.0, 1.0);
                let width = if *taper { radius * (1.0 - along) } else { *radius };
                length(px - along * ax, py - along * ay) - width
            }
            Self::Rect { low, high } => {
                let x = (low[0] - point[0]).max(point[0] - high[0]);
                let y = (low[1] - point[1]).max(point[1] - high[1]);
                if x > 0.0 && y > 0.0 { length(x, y) } else { x.max(y) }
            }
            Self::Fan { apex, near, far, slope } => {
                let [x, y] = [(point[0] - apex[0]).abs(), point[1] - apex[1]];
                let reach = length(x, y);
                let side = (x - slope * y) / length(1.0, *slope);
                side.max(reach - far).max(near - reach)
            }
            Self::Half { level, upper } => {
                if *upper {
                    point[1] - level
                } else {
                    level - point[1]
                }
            }
            Self::Any(shapes) => shapes.iter().map(|s| s.distance(point)).fold(f64::INFINITY, f64::min),
            Self::All(shapes) => shapes.iter().map(|s| s.distance(point)).fold(f64::NEG_INFINITY, f64::max),
            Self::Inset(shape, by) => shape.distance(point) + by,
        }
    }

    /// Returns a rectangle `[x0, y0, x1, y1]` that contains the shape; it need not be the smallest, and is infinite for
    /// fans and half-planes. Callers skip all points outside it.
    pub(super) fn bounds(&self) -> [f64; 4] {
        const NOTHING: [f64; 4] = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        const EVERYWHERE: [f64; 4] = [f64::NEG_INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::INFINITY];
        let around = |[x, y]: [f64; 2], reach: f64| [x - reach, y - reach, x + reach, y + reach];
        let hull = |a: [f64; 4], b: [f64; 4]| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])];
        let common = |a: [f64; 4], b: [f64; 4]| [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])];
        match self {
            Self::Ellipse { centre, radii, .. } => around(*centre, radii[0].max(radii[1])),
            Self::Block { centre, radii, .. } => around(*centre, length(radii[0], radii[1])),
            Self::Bar { from, to, radius, .. } => hull(around(*from, *radius), around(*to, *radius)),
            Self::Rect { low, high } => [low[0], low[1], high[0], high[1]],
            Self::Fan { .. } | Self::Half { .. } => EVERYWHERE,
            Self::Any(shapes) => shapes.iter().map(Self::bounds).fold(NOTHING, hull),
            Self::All(shapes) => shapes.iter().map(Self::bounds).fold(EVERYWHERE, common),
            Self::Inset(shape, _) => shape.bounds(),
        }
    }

    /// Returns the shape moved by `pose`. Rectangles, fans and half-planes, which belong to the image and not to the
    /// body, are returned unchanged.
    pub(super) fn posed(&self, pose: &Pose) -> Self {
        match self {
            Self::Ellipse { centre, radii, axis } => Self::Ellipse {
                centre: pose.point(*centre),
                radii: radii.map(|r| r * pose.scale),
                axis: pose.turned(*axis),
            },
            Self::Block { centre, radii, axis } => Self::Block {
                centre: pose.point(*centre),
                radii: radii.map(|r| r * pose.scale),
                axis: pose.turned(*axis),
            },
            Self::Bar { from, to, radius, taper } => {
                Self::Bar { from: pose.point(*from), to: pose.point(*to), radius: radius * pose.scale, taper: *taper }
            }
            Self::Any(shapes) => Self::Any(shapes.iter().map(|s| s.posed(pose)).collect()),
            Self::All(shapes) => Self::All(shapes.iter().map(|s| s.posed(pose)).collect()),
            Self::Inset(shape, by) => Self::Inset(Box::new(shape.posed(pose)), by * pose.scale),
            Self::Rect { .. } | Self::Fan { .. } | Self::Half { .. } => self.clone(),
        }
    }
}

/// A similarity transform: mirror, rotate, scale and shift, in this order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    pub(super) centre: [f64; 2],
    pub(super) scale: f64,
    /// Unit vector onto which the x axis is rotated.
    pub(super) axis: [f64; 2],
    pub(super) mirrored: bool,
}

impl Pose {
    /// Returns the place to which the transform moves a point.
    pub(super) fn point(&self, point: [f64; 2]) -> [f64; 2] {
        let [x, y] = self.turned(point);
        [self.centre[0] + x * self.scale, self.centre[1] + y * self.scale]
    }

    fn turned(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let x = if self.mirrored { -x } else { x };
        let [c, s] = self.axis;
        [x * c - y * s, x * s + y * c]
    }
}

fn local(point: [f64; 2], centre: [f64; 2], axis: [f64; 2]) -> [f64; 2] {
    let [x, y] = [point[0] - centre[0], point[1] - centre[1]];
    [x * axis[0] + y * axis[1], y * axis[0] - x * axis[1]]
}

/// Returns the length of the vector `[x, y]`.
pub(super) fn length(x: f64, y: f64) -> f64 {
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::texture::direction;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn posing_commutes_with_measuring_and_bounds_contain_the_shape(x in -0.5..0.5, y in -0.5..0.5, turns in 0.0..1.0, scale in 0.5..2.0,
                                          mirrored: bool) {
            let pose = Pose { centre: [0.4, 0.6], scale, axis: direction(turns), mirrored };
            for shape in [
                Shape::Ellipse { centre: [0.1, -0.05], radii: [0.3, 0.2], axis: direction(0.1) },
                Shape::Block { centre: [0.0, 0.1], radii: [0.3, 0.4], axis: [1.0, 0.0] },
                Shape::Bar { from: [0.0, 0.1], to: [0.3, 0.2], radius: 0.05, taper: true },
            ] {
                let bounds = shape.bounds();
                if shape.distance([x, y]) <= 0.0 {
                    prop_assert!(bounds[0] <= x && x <= bounds[2] && bounds[1] <= y && y <= bounds[3]);
                }
                let before = shape.distance([x, y]) * scale;
                let after = shape.posed(&pose).distance(pose.point([x, y]));
                prop_assert!((before - after).abs() < 1e-9, "{before} {after}");
            }
        }
    }
}
