//! Pose of a copy: how the map between two images reads in words.

use std::fmt;

use super::similarity::Similarity;

/// Pose of a copy: mirrored left to right, then rotated, enlarged and inverted. It may also be shifted, cropped, padded,
/// framed or written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pose {
    /// Whether left and right are exchanged.
    pub mirrored: bool,
    /// Clockwise angle in degrees, from -180 to 180.
    pub degrees: i16,
    /// Size of the content in percent: of the image's longer side, compared with the other image.
    pub percent: u16,
    /// Whether black and white are exchanged.
    pub inverted: bool,
}

impl Pose {
    pub(super) fn of(map: &Similarity, inverted: bool) -> Self {
        Self {
            mirrored: map.mirrored,
            degrees: map.angle().to_degrees().round() as i16,
            percent: (100.0 * map.scale()).round() as u16,
            inverted,
        }
    }
}

impl fmt::Display for Pose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rotated = match self.degrees {
            0 => None,
            degrees @ 1.. => Some(format!("rotated by {degrees} degrees clockwise")),
            degrees => Some(format!("rotated by {} degrees anticlockwise", -degrees)),
        };
        let resized = match self.percent {
            98..=102 => None,
            percent @ 103.. => Some(format!("cropped to show the content at {percent} % of its size")),
            percent => Some(format!("padded to show the content at {percent} % of its size")),
        };
        let mirrored = self.mirrored.then(|| "mirrored left to right".to_owned());
        let inverted = self.inverted.then(|| "inverted".to_owned());
        let words: Vec<String> = [mirrored, rotated, resized, inverted].into_iter().flatten().collect();
        match words.is_empty() {
            true => f.write_str("shifted, framed or written on"),
            false => f.write_str(&words.join(" and ")),
        }
    }
}
