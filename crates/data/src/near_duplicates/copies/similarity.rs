//! Maps between two images: scaled, rotated, mirrored and shifted, as copies are.

/// Positions `[x, y]` of one point in two images.
type Pair = ([f32; 2], [f32; 2]);

/// Map of positions of one image to positions of another one, in longer sides of each image: mirrored left to right,
/// then scaled and rotated by the complex number `re + i im`, then shifted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Similarity {
    /// Whether left and right are exchanged first.
    pub(super) mirrored: bool,
    /// Scale times the cosine of the angle.
    pub(super) re: f32,
    /// Scale times the sine of the angle; positive angles are clockwise.
    pub(super) im: f32,
    /// Shift to the right and downwards.
    pub(super) shift: [f32; 2],
}

impl Similarity {
    /// Makes the map with a scale and an angle in radians that takes the position `from` to `to`.
    pub(super) fn through(mirrored: bool, (scale, angle): (f32, f32), from: [f32; 2], to: [f32; 2]) -> Self {
        let map = Self { mirrored, re: scale * angle.cos(), im: scale * angle.sin(), shift: [0.0; 2] };
        let [x, y] = map.apply(from);
        Self { shift: [to[0] - x, to[1] - y], ..map }
    }

    /// Fits the map to pairs of positions by least squares. None for fewer than two pairs, or pairs in one place.
    pub(super) fn fitted(mirrored: bool, pairs: &[Pair]) -> Option<Self> {
        let count = pairs.len() as f32;
        let turn = |[x, y]: [f32; 2]| [if mirrored { -x } else { x }, y];
        let sum = |of: &dyn Fn(&Pair) -> f32| pairs.iter().map(of).sum::<f32>();
        let from = [sum(&|pair| turn(pair.0)[0]) / count, sum(&|pair| pair.0[1]) / count];
        let to = [sum(&|pair| pair.1[0]) / count, sum(&|pair| pair.1[1]) / count];
        let (mut re, mut im, mut spread) = (0.0, 0.0, 0.0);
        for (one, other) in pairs {
            let [x, y] = turn(*one);
            let ([x, y], [u, v]) = ([x - from[0], y - from[1]], [other[0] - to[0], other[1] - to[1]]);
            re += x * u + y * v;
            im += x * v - y * u;
            spread += x * x + y * y;
        }
        if pairs.len() < 2 || spread < 1e-6 {
            return None;
        }
        let (re, im) = (re / spread, im / spread);
        let shift = [to[0] - re * from[0] + im * from[1], to[1] - im * from[0] - re * from[1]];
        Some(Self { mirrored, re, im, shift })
    }

    /// Returns the position in the other image.
    pub(super) fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let x = if self.mirrored { -x } else { x };
        [self.re * x - self.im * y + self.shift[0], self.im * x + self.re * y + self.shift[1]]
    }

    /// Returns the position in the first image of a position in the other one.
    pub(super) fn back(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let (x, y) = (x - self.shift[0], y - self.shift[1]);
        let square = self.re * self.re + self.im * self.im;
        let (x, y) = ((self.re * x + self.im * y) / square, (self.re * y - self.im * x) / square);
        [if self.mirrored { -x } else { x }, y]
    }

    /// Returns the scale: longer sides of the other image for a longer side of this one.
    pub(super) fn scale(&self) -> f32 {
        self.re.hypot(self.im)
    }

    /// Returns the clockwise angle in radians, from -pi to pi.
    pub(super) fn angle(&self) -> f32 {
        self.im.atan2(self.re)
    }
}
