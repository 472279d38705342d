//! Outlines of masks: closed lines along the sides of pixels.

use super::Mask;

/// Direction of a step along the sides of pixels. The pixels inside lie on the right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heading {
    East,
    South,
    West,
    North,
}

impl Mask {
    /// Returns the outlines of the mask: the outer borders of its parts and the borders of holes. Each is a closed line of
    /// corners `[x, y]` in pixels, from 0 to the width and height; the last corner is joined to the first. Together they
    /// bound the mask by the even-odd rule. Parts that touch only at a corner are separate. Empty for an empty mask.
    #[must_use]
    pub fn outlines(&self) -> Vec<Vec<[u32; 2]>> {
        let mut upper_sides_seen = vec![false; self.inside.len()];
        let mut outlines = Vec::new();
        for (x, y) in self.pixels() {
            // Every border has an upper side: a pixel inside below one outside.
            let is_upper_side = !self.has(i64::from(x), i64::from(y) - 1);
            if is_upper_side && !upper_sides_seen[self.place(x, y)] {
                outlines.push(self.outline(x, y, &mut upper_sides_seen));
            }
        }
        outlines
    }

    /// Returns the mask at a resolution that is `step` times coarser, `step` at least 1. A coarse pixel is inside where
    /// any of its pixels is.
    #[must_use]
    pub fn coarser(&self, step: u32) -> Self {
        let (width, height) = (self.width.div_ceil(step), self.height.div_ceil(step));
        let mut coarse = Self { width, height, inside: vec![false; width as usize * height as usize] };
        for (x, y) in self.pixels() {
            let place = coarse.place(x / step, y / step);
            coarse.inside[place] = true;
        }
        coarse
    }

    /// Follows the border that begins with the upper side of the pixel (`x`, `y`), and marks its upper sides as seen.
    fn outline(&self, x: u32, y: u32, upper_sides_seen: &mut [bool]) -> Vec<[u32; 2]> {
        let start = (x, y);
        let (mut at, mut heading) = (start, Heading::East);
        let mut corners = vec![[x, y]];
        loop {
            if heading == Heading::East {
                upper_sides_seen[self.place(at.0, at.1)] = true;
            }
            at = match heading {
                Heading::East => (at.0 + 1, at.1),
                Heading::South => (at.0, at.1 + 1),
                Heading::West => (at.0 - 1, at.1),
                Heading::North => (at.0, at.1 - 1),
            };
            let next = self.turned(at, heading);
            if at == start && next == Heading::East {
                return corners;
            }
            if next != heading {
                corners.push([at.0, at.1]);
            }
            heading = next;
        }
    }

    /// Heading after the corner `at`, which was reached with `heading`.
    fn turned(&self, at: (u32, u32), heading: Heading) -> Heading {
        use Heading::{East, North, South, West};
        let (x, y) = (i64::from(at.0), i64::from(at.1));
        let [upper_left, upper_right, lower_left, lower_right] =
            [(x - 1, y - 1), (x, y - 1), (x - 1, y), (x, y)].map(|(x, y)| self.has(x, y));
        // The pixels ahead on the left and on the right, and the headings of a left and a right turn.
        let (left, right, to_left, to_right) = match heading {
            East => (upper_right, lower_right, North, South),
            South => (lower_right, lower_left, East, West),
            West => (lower_left, upper_left, South, North),
            North => (upper_left, upper_right, West, East),
        };
        match (left, right) {
            (_, false) => to_right,
            (false, true) => heading,
            (true, true) => to_left,
        }
    }

    fn place(&self, x: u32, y: u32) -> usize {
        y as usize * self.width as usize + x as usize
    }

    /// Whether a pixel lies in the image and inside the mask.
    fn has(&self, x: i64, y: i64) -> bool {
        let in_image = (0..i64::from(self.width)).contains(&x) && (0..i64::from(self.height)).contains(&y);
        in_image && self.inside[self.place(x as u32, y as u32)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let inside = rows.iter().flat_map(|row| row.bytes().map(|byte| byte == b'#')).collect();
        Mask { width: rows[0].len() as u32, height: rows.len() as u32, inside }
    }

    #[test]
    fn parts_and_holes_have_their_own_outlines() {
        assert_eq!(mask(&["..", ".."]).outlines(), Vec::<Vec<[u32; 2]>>::new());
        assert_eq!(mask(&["...", ".##", "..."]).outlines(), [[[1, 1], [3, 1], [3, 2], [1, 2]]]);
        let ring = mask(&["###", "#.#", "###"]).outlines();
        assert_eq!(ring, [[[0, 0], [3, 0], [3, 3], [0, 3]], [[1, 2], [2, 2], [2, 1], [1, 1]]]);
        assert_eq!(mask(&["#.", ".#"]).outlines().len(), 2);
    }

    #[test]
    fn a_coarse_pixel_is_inside_where_any_of_its_pixels_is() {
        assert_eq!(mask(&["#....", ".....", "....#"]).coarser(2), mask(&["#..", "..#"]));
        let fine = mask(&["#.#"]);
        assert_eq!(fine.coarser(1), fine);
    }

    /// Whether the centre of a pixel lies inside the outlines by the even-odd rule: an odd number of vertical sides lies
    /// to its left.
    fn contains(outlines: &[Vec<[u32; 2]>], x: u32, y: u32) -> bool {
        let sides = outlines.iter().flat_map(|corners| corners.iter().zip(corners.iter().cycle().skip(1)));
        let crossed = sides.filter(|([x0, y0], [x1, y1])| x0 == x1 && *x0 <= x && *y0.min(y1) <= y && y < *y0.max(y1));
        crossed.count() % 2 == 1
    }

    proptest! {
        #[test]
        fn outlines_bound_exactly_the_pixels_inside(
            width in 1u32..9, pixels in prop::collection::vec(any::<bool>(), 1..80),
        ) {
            let height = pixels.len() as u32 / width;
            prop_assume!(height > 0);
            let mask = Mask { width, height, inside: pixels[..(width * height) as usize].to_vec() };
            let outlines = mask.outlines();
            for y in 0..height {
                for x in 0..width {
                    prop_assert_eq!(contains(&outlines, x, y), mask.inside[mask.place(x, y)], "{} {}", x, y);
                }
            }
        }
    }
}
