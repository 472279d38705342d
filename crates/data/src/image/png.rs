//! Decoding of PNG files.

use std::io::{BufRead, Seek};
use std::path::Path;

use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits};

use super::error::ImageError;
use super::limits::{MAX_ALLOC, check_size};

/// Decodes a PNG file. Returns the image as it is stored, and the orientation for display. `path` is for messages.
///
/// # Errors
/// When reading fails, or the image is too large, cut off or damaged.
pub(super) fn decode(reader: impl BufRead + Seek, path: &Path) -> Result<(DynamicImage, Orientation), ImageError> {
    let (decoder, orientation) = header(reader, path)?;
    Ok((DynamicImage::from_decoder(decoder).map_err(|error| failed(path, error))?, orientation))
}

/// Reads the header of a PNG file. Returns a decoder of the image, and the orientation for display. `path` is for
/// messages.
///
/// # Errors
/// When reading fails, the image is too large, or the header is cut off or damaged.
pub(super) fn header<R: BufRead + Seek>(reader: R, path: &Path) -> Result<(PngDecoder<R>, Orientation), ImageError> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    let mut decoder = PngDecoder::with_limits(reader, limits).map_err(|error| failed(path, error))?;
    check_size(path, decoder.dimensions())?;
    let orientation = decoder.orientation().map_err(|error| failed(path, error))?;
    Ok((decoder, orientation))
}

fn failed(path: &Path, error: image::ImageError) -> ImageError {
    match error {
        image::ImageError::IoError(source) => ImageError::read(path, source),
        source => ImageError::decode(path, source),
    }
}
