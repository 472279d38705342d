//! PNG, JPEG, TIFF, WebP and BMP files of sources: samples as stored, limits, and what is refused.

use std::io::Cursor;
use std::path::Path;

use image::codecs::bmp::BmpDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageResult, Limits};
use stepwise_data::case::SourceKind;
use stepwise_data::image::{MAX_ALLOC, check_size, decode_samples};
use tiff::tags::Tag;

use super::refused::Refused;

/// Value of the TIFF tag `SampleFormat` for IEEE floating point (TIFF 6.0, section 19).
const FLOATING_POINT: u16 = 3;

/// Advice for files with several images.
const ONE_IMAGE: &str = "save the image that is meant as a file of its own";

/// A decoded file.
pub(crate) struct Plain {
    /// Samples as stored, of 8 or 16 bits, before the turn of the EXIF orientation.
    pub(crate) samples: DynamicImage,
    /// How the samples are turned for display.
    pub(crate) orientation: Orientation,
    /// Bits of a sample in the file.
    pub(crate) bits: u16,
    /// What decoding changes beside the turn and the mapping of 16 bits, in words.
    pub(crate) remarks: Vec<&'static str>,
}

/// Decodes a file. `path` is used in error messages only.
///
/// # Errors
/// When the file is too large, damaged or cut off, has CMYK colours, a palette (TIFF), samples that are neither whole
/// numbers of 1, 8 or 16 bits (TIFF), or holds several images.
pub(crate) fn decode(bytes: &[u8], kind: SourceKind, path: &Path) -> Result<Plain, Refused> {
    let (samples, orientation, bits, mut remarks) = match kind {
        SourceKind::Tiff => tiff(bytes, path)?,
        SourceKind::Webp => {
            let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| failed(path, &error))?;
            if decoder.has_animation() {
                return Err(several(path, "is an animated WebP"));
            }
            let (samples, orientation) = samples(decoder, path)?;
            (samples, orientation, 8, Vec::new())
        }
        SourceKind::Bmp => {
            let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|error| failed(path, &error))?;
            let (samples, orientation) = samples(decoder, path)?;
            (samples, orientation, 8, bmp_remarks(bytes))
        }
        SourceKind::Png => {
            let decoder = PngDecoder::new(Cursor::new(bytes)).map_err(|error| failed(path, &error))?;
            if decoder.is_apng().unwrap_or(false) {
                return Err(several(path, "is an animated PNG"));
            }
            let (samples, orientation) = decode_samples(bytes, path)?;
            (samples, orientation, png_bits(bytes), png_remarks(bytes))
        }
        _ => {
            let (samples, orientation) = decode_samples(bytes, path)?;
            (samples, orientation, 8, Vec::new())
        }
    };
    remarks.extend(alpha_remark(&samples));
    Ok(Plain { samples, orientation, bits, remarks })
}

type Decoded = (DynamicImage, Orientation, u16, Vec<&'static str>);

fn tiff(bytes: &[u8], path: &Path) -> Result<Decoded, Refused> {
    let pages = tiff::decoder::Decoder::new(Cursor::new(bytes));
    let mut pages = pages.map_err(|error| damaged(path, &error.to_string()))?;
    if pages.more_images() {
        return Err(several(path, "is a TIFF with more than one page"));
    }
    let formats = pages.find_tag_unsigned_vec::<u16>(Tag::SampleFormat);
    if formats.is_ok_and(|formats| formats.is_some_and(|formats| formats.contains(&FLOATING_POINT))) {
        let what = "is a TIFF with floating-point samples";
        return Err(refused(path, what, "save it again with 8 or 16 bits, all images by one mapping"));
    }
    let decoder = TiffDecoder::new(Cursor::new(bytes)).map_err(|error| failed(path, &error))?;
    let remarks = match decoder.original_color_type() {
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => {
            let what = "is a CMYK TIFF, whose colours depend on a printer's colour profile";
            return Err(refused(path, what, "save it again as RGB or greyscale"));
        }
        ExtendedColorType::L1 => vec!["1-bit image: its two values became black and white"],
        _ => Vec::new(),
    };
    let colour = decoder.color_type();
    let bits = if remarks.is_empty() { 8 * u16::from(colour.bytes_per_pixel() / colour.channel_count()) } else { 1 };
    let (samples, orientation) = samples(decoder, path)?;
    Ok((samples, orientation, bits, remarks))
}

/// Checks the size, and decodes within the limits of memory.
fn samples(mut decoder: impl ImageDecoder, path: &Path) -> Result<(DynamicImage, Orientation), Refused> {
    check_size(path, decoder.dimensions())?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    let decode = || -> ImageResult<(DynamicImage, Orientation)> {
        decoder.set_limits(limits)?;
        let orientation = decoder.orientation()?;
        Ok((DynamicImage::from_decoder(decoder)?, orientation))
    };
    decode().map_err(|error| failed(path, &error))
}

fn png_bits(bytes: &[u8]) -> u16 {
    // The header chunk comes first: bit depth at 24, colour type at 25.
    bytes.get(24).copied().map_or(8, u16::from)
}

fn png_remarks(bytes: &[u8]) -> Vec<&'static str> {
    match (bytes.get(24), bytes.get(25)) {
        (_, Some(3)) => vec!["palette image: its colours are used"],
        (Some(1), _) => vec!["1-bit image: its two values became black and white"],
        _ => Vec::new(),
    }
}

fn bmp_remarks(bytes: &[u8]) -> Vec<&'static str> {
    // Bits of a pixel; 8 and fewer are indices of a palette.
    match bytes.get(28) {
        Some(1..=8) => vec!["palette image: its colours are used"],
        _ => Vec::new(),
    }
}

/// Returns a remark on the alpha channel, which is left out; None without one, or when all pixels are opaque.
fn alpha_remark(samples: &DynamicImage) -> Option<&'static str> {
    match samples {
        DynamicImage::ImageLumaA8(picture) => alpha(picture.as_raw(), 2, u8::MAX),
        DynamicImage::ImageRgba8(picture) => alpha(picture.as_raw(), 4, u8::MAX),
        DynamicImage::ImageLumaA16(picture) => alpha(picture.as_raw(), 2, u16::MAX),
        DynamicImage::ImageRgba16(picture) => alpha(picture.as_raw(), 4, u16::MAX),
        _ => None,
    }
}

/// Looks at the last of the `channels` samples of each pixel. `opaque` is the alpha of opaque pixels.
fn alpha<T: Copy + Default + PartialEq>(samples: &[T], channels: usize, opaque: T) -> Option<&'static str> {
    let zero = T::default();
    let split = || samples.chunks_exact(channels).filter_map(|pixel| pixel.split_last());
    if split().any(|(alpha, colours)| *alpha == zero && colours.iter().any(|colour| *colour != zero)) {
        return Some("transparent pixels hold colours, which are visible now: the alpha channel is left out");
    }
    split().any(|(alpha, _)| *alpha != opaque).then_some("the alpha channel is left out")
}

fn failed(path: &Path, error: &image::ImageError) -> Refused {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            refused(path, "cannot be decoded: the file is cut off", "copy it again from its source")
        }
        image::ImageError::Limits(_) => {
            refused(path, "cannot be decoded: it needs more memory than is allowed", "save it again as PNG")
        }
        // The text of the library names its own types of samples.
        image::ImageError::Unsupported(_) => {
            refused(path, "has samples of a kind that is not read", "save it again as PNG of 8 or 16 bits")
        }
        error => damaged(path, &error.to_string()),
    }
}

fn damaged(path: &Path, error: &str) -> Refused {
    let what = format!("cannot be decoded: {error}");
    refused(path, &what, "the file may be damaged, or of a rare kind; save it again as PNG")
}

fn several(path: &Path, what: &str) -> Refused {
    refused(path, what, ONE_IMAGE)
}

fn refused(path: &Path, what: &str, advice: &str) -> Refused {
    Refused::new(format!("{}: {what}", path.display()), advice)
}
