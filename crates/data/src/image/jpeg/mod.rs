//! Decoding of JPEG files, to the pixels that libjpeg-turbo gives.
//!
//! The JPEG standard leaves the arithmetic of decoding open. Processors of the reference implementations read images
//! with Pillow, which decodes with libjpeg-turbo: the integer transform `islow`, and chroma that is interpolated
//! between samples ("fancy upsampling"). `libjpeg-turbo-rs` repeats this arithmetic in Rust. It is used without its
//! SIMD code, which is not needed for the speed of training.

mod header;
mod scans;
mod segments;

use std::io::BufRead;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use libjpeg_turbo_rs::{DecodeLimits, Decoder, JpegError, PixelFormat};

use super::error::ImageError;
use super::limits::{MAX_ALLOC, MAX_DIMENSION, MAX_PIXELS, check_size};
use header::Header;

/// Largest number of scans of a progressive file. Encoders write about ten; each one costs a pass over the image.
const MAX_SCANS: usize = 100;

/// Decodes a JPEG file to RGB. Returns the image as it is stored, and the orientation for display. `path` is for
/// messages.
///
/// # Errors
/// When the image states no size, is too large, in CMYK, not of 8 bits per sample, cut off or damaged, or has too many
/// scans.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<(DynamicImage, Orientation), ImageError> {
    let header = header(bytes, path)?;
    let failed = |error| match error {
        JpegError::UnexpectedEof => incomplete(bytes, path),
        error => ImageError::decode(path, error),
    };
    let limits = DecodeLimits {
        max_width: MAX_DIMENSION as usize,
        max_height: MAX_DIMENSION as usize,
        max_pixels: MAX_PIXELS,
        max_scans: MAX_SCANS,
        max_memory: Some(MAX_ALLOC),
    };
    let decoder = Decoder::new_with_limits(bytes, limits).map_err(failed)?;
    let decoded = decoder.with_output_format(PixelFormat::Rgb).decode_image().map_err(failed)?;
    if !scans::are_complete(bytes) {
        return Err(incomplete(bytes, path));
    }
    let picture = RgbImage::from_raw(header.width, header.height, decoded.data)
        .ok_or_else(|| ImageError::decode(path, "its parts state different sizes"))?;
    Ok((picture.into(), header.orientation))
}

/// Makes the error of a file whose compressed data do not give the whole image: cut off without an end marker, else
/// damaged.
fn incomplete(bytes: &[u8], path: &Path) -> ImageError {
    if segments::reach_end(bytes) { ImageError::Damaged(path.to_owned()) } else { ImageError::CutOff(path.to_owned()) }
}

/// Reads the header of a JPEG file. Returns width and height as stored, and the orientation for display. `path` is for
/// messages.
///
/// # Errors
/// When reading fails, the header states no size or is cut off, or the image is too large, in CMYK or not of 8 bits per
/// sample.
pub(super) fn size(reader: impl BufRead, path: &Path) -> Result<((u32, u32), Orientation), ImageError> {
    let Header { width, height, orientation, .. } = header(reader, path)?;
    Ok(((width, height), orientation))
}

fn header(reader: impl BufRead, path: &Path) -> Result<Header, ImageError> {
    let header = Header::read(reader).map_err(|error| ImageError::read(path, error))?;
    let Some(header) = header.filter(|header| header.width > 0 && header.height > 0) else {
        return Err(ImageError::decode(path, "its header states no size"));
    };
    // Programs disagree whether the inks of a CMYK file are stored inverted, so its colours are not reliable.
    if header.components == 4 {
        return Err(ImageError::Cmyk(path.to_owned()));
    }
    if header.bits != 8 {
        let problem = format!("it has {} bits per sample, and only 8 are supported", header.bits);
        return Err(ImageError::decode(path, problem));
    }
    check_size(path, (header.width, header.height))?;
    Ok(header)
}
