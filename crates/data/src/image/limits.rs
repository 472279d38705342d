//! Limits of image files, so that a damaged or hostile file cannot exhaust the memory.

use std::path::Path;

use super::error::ImageError;

/// Largest width or height of an image, in pixels. Larger files are refused, so that a damaged or hostile file cannot
/// exhaust the memory.
pub const MAX_DIMENSION: u32 = 16_384;
/// Largest number of pixels of an image. Larger files are refused, for the reason of [`MAX_DIMENSION`].
pub const MAX_PIXELS: u64 = 100_000_000;
/// Largest size of an image file, in bytes (256 MiB). Larger files are refused, for the reason of [`MAX_DIMENSION`].
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Largest allocation for decoding one image, in bytes: [`MAX_PIXELS`] of the widest samples and a copy.
pub const MAX_ALLOC: u64 = 2 << 30;

/// Checks a stated width and height in pixels, before memory is taken for the pixels. `path` is used in error messages
/// only.
///
/// # Errors
/// [`ImageError::TooLarge`] when the size exceeds [`MAX_DIMENSION`] or [`MAX_PIXELS`].
pub fn check_size(path: &Path, (width, height): (u32, u32)) -> Result<(), ImageError> {
    if width.max(height) > MAX_DIMENSION || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooLarge { path: path.to_owned(), width, height });
    }
    Ok(())
}
