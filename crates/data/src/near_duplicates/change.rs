//! Change between two near-duplicates, in words.

use std::fmt;

use super::copies::Pose;
use super::transform::Transform;

/// Change that makes the second one of two near-duplicates of the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Mirrored, rotated by quarter turns or inverted as a whole.
    Transform(Transform),
    /// Another uniform border, such as padding, and the transform of the content, which may be none.
    Border(Transform),
    /// Rotated by any angle, cropped, padded, shifted, framed or written on.
    Pose(Pose),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transform(transform) => transform.fmt(f),
            Self::Border(transform) if *transform == Transform::default() => f.write_str("with another border"),
            Self::Border(transform) => write!(f, "{transform} and with another border"),
            Self::Pose(pose) => pose.fmt(f),
        }
    }
}
