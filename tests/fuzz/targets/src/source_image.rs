//! Fuzz target for images that importers convert: TIFF, WebP, BMP and DICOM, and PNG and JPEG.

use std::path::Path;

use stepwise_data::image::{MAX_DIMENSION, MAX_PIXELS};
use stepwise_datasets::{Intensity, PixelOptions, read_source_image};

use crate::support::refused;

/// Reads an image file, the first of its frames, with a mapping of all values.
///
/// # Errors
/// When the image is refused.
///
/// # Panics
/// When the image exceeds a size limit, is not of 8 bits, or an error gives no advice.
pub fn source_image(data: &[u8]) -> Result<(), String> {
    let options = PixelOptions { intensity: Some(Intensity::MinMax), frame: Some(1), ..PixelOptions::default() };
    let found = read_source_image(data, Path::new("image"), &options).map_err(refused)?;
    let (width, height) = (found.picture.width(), found.picture.height());
    assert!(width.max(height) <= MAX_DIMENSION && u64::from(width) * u64::from(height) <= MAX_PIXELS);
    let colour = found.picture.color();
    assert_eq!(colour.bytes_per_pixel(), colour.channel_count(), "more than 8 bits");
    assert!(!colour.has_alpha());
    Ok(())
}
