//! Masks of sources: pixels that are not zero. Values are read as they are stored, never scaled.

use std::path::Path;

use stepwise_data::case::SourceKind;
use stepwise_data::image::{Mask, load_mask, read_file};

use super::kind::kind;
use super::plain;
use super::refused::Refused;

/// Reads a mask from a PNG, JPEG, TIFF, WebP or BMP file. A pixel is inside where any of its colour samples is not zero;
/// alpha is ignored.
///
/// # Errors
/// When the file cannot be read, has another format, is too large or damaged.
pub(crate) fn read_mask(path: &Path) -> Result<Mask, Refused> {
    let bytes = read_file(path)?;
    match kind(&bytes, path) {
        Some(kind @ (SourceKind::Tiff | SourceKind::Webp | SourceKind::Bmp)) => {
            let plain = plain::decode(&bytes, kind, path)?;
            let mut samples = plain.samples;
            samples.apply_orientation(plain.orientation);
            // Conversion to 16 bits keeps every sample that is not zero above zero.
            let samples = samples.into_rgb16();
            let (width, height) = samples.dimensions();
            Ok(Mask { width, height, inside: samples.pixels().map(|pixel| pixel.0 != [0; 3]).collect() })
        }
        _ => Ok(load_mask(path)?),
    }
}
