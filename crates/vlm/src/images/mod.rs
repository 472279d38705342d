//! Images on the way to the image encoder: resizing, tiles, pixel values, and what a family does with them.

pub mod grid;
pub mod processor;
pub mod resize;
pub(crate) mod settings;
pub mod shared;
pub mod values;
