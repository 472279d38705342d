//! Transforms by which a copy of an image can differ from it: mirrored, rotated by quarter turns, inverted.

use std::fmt;

/// Change of a square image: mirrored left to right, then rotated clockwise, then inverted. The shape of other images
/// does not matter, because they are transformed as square thumbnails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transform {
    /// Whether left and right are exchanged.
    pub mirrored: bool,
    /// Number of clockwise quarter turns after mirroring, 0 to 3.
    pub quarter_turns: u8,
    /// Whether black and white are exchanged.
    pub inverted: bool,
}

impl Transform {
    /// Returns all 15 transforms that change an image. Simple ones are before combined ones.
    pub fn all() -> impl Iterator<Item = Self> {
        let inversions = [false, true].into_iter();
        let turned = inversions.flat_map(|inverted| {
            let mirrored = [false, true].into_iter();
            mirrored
                .flat_map(move |mirrored| (0..4).map(move |quarter_turns| Self { mirrored, quarter_turns, inverted }))
        });
        turned.skip(1)
    }

    /// Returns row and column, in an image of `side` x `side` values, of the value that the transform puts at `row` and
    /// `column`.
    pub(super) fn source(self, row: usize, column: usize, side: usize) -> (usize, usize) {
        let turned = (0..self.quarter_turns).fold((row, column), |(row, column), _| (side - 1 - column, row));
        if self.mirrored { (turned.0, side - 1 - turned.1) } else { turned }
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turned = match (self.mirrored, self.quarter_turns) {
            (false, 0) => None,
            (false, 2) => Some("rotated by 180 degrees".to_owned()),
            (false, turns) => Some(format!("rotated by {} degrees clockwise", 90 * u32::from(turns))),
            (true, 0) => Some("mirrored left to right".to_owned()),
            (true, 2) => Some("mirrored top to bottom".to_owned()),
            (true, turns) => Some(format!("mirrored and rotated by {} degrees clockwise", 90 * u32::from(turns))),
        };
        let inverted = self.inverted.then(|| "inverted".to_owned());
        let words: Vec<String> = turned.into_iter().chain(inverted).collect();
        f.write_str(&words.join(" and "))
    }
}
