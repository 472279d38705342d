//! NIfTI-1 volumes: voxels, their place in the body, and slices as radiologists see them.

mod geometry;
mod header;
mod volume;

pub(crate) use volume::file_sha256;
pub use volume::{Slice, Volume};
