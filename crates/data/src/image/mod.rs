//! Decoding of PNG and JPEG files, masks, and digests of files. All images are decoded here.
//!
//! Every image becomes 8-bit RGB. Grey is repeated over the channels. 16-bit samples are scaled over their whole range
//! (`round(v / 257)`) and never clipped; images that fill only a small part of that range are refused. An alpha channel
//! is dropped, not blended, as in Pillow's `convert("RGB")`. The EXIF orientation is applied, so coordinates refer to
//! the image as it is displayed.
//!
//! PNG and JPEG files give exactly the pixels that Pillow gives. Files that are cut off are refused.

mod error;
mod grey_range;
mod jpeg;
mod limits;
mod mask;
mod outline;
mod png;
mod sixteen_bits;
mod stored;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, RgbImage};
use sha2::{Digest, Sha256};

pub use error::ImageError;
pub use grey_range::{GreyRange, range_warnings};
pub use limits::{MAX_ALLOC, MAX_DIMENSION, MAX_FILE_BYTES, MAX_PIXELS, check_size};
pub use mask::{Mask, load_mask};
pub use sixteen_bits::check as check_range;
pub use stored::{StoredImage, decode_stored, turn_in_words};

/// Reads and decodes a PNG or JPEG file to 8-bit RGB. 16-bit samples are scaled, alpha is dropped, and the EXIF
/// orientation is applied.
///
/// # Errors
/// When the file cannot be read or is longer than [`MAX_FILE_BYTES`], or [`decode_image`] refuses it. Every error names
/// the file.
pub fn load_image(path: &Path) -> Result<RgbImage, ImageError> {
    decode_image(&read_file(path)?, path)
}

/// Decodes the bytes of a PNG or JPEG file, as [`load_image`] does. `path` is used in error messages only.
///
/// # Errors
/// When the bytes are neither PNG nor JPEG, are a CMYK JPEG, exceed [`MAX_DIMENSION`] or [`MAX_PIXELS`], are cut off or
/// damaged, or are a 16-bit image whose samples fill less than an eighth of the 16-bit range.
pub fn decode_image(bytes: &[u8], path: &Path) -> Result<RgbImage, ImageError> {
    let picture = decode(bytes, path)?;
    sixteen_bits::check(&picture, path)?;
    Ok(picture.into_rgb8())
}

/// Decodes the bytes of a PNG or JPEG file to the samples that the file stores, of 8 or 16 bits. Returns the image as it
/// is stored, and the orientation for display. `path` is used in error messages only.
///
/// # Errors
/// As [`decode_image`], but 16-bit images of a narrow range are accepted.
pub fn decode_samples(bytes: &[u8], path: &Path) -> Result<(DynamicImage, Orientation), ImageError> {
    let (picture, orientation, _) = unturned(bytes, path)?;
    Ok((picture, orientation))
}

/// Returns how a PNG or JPEG file is turned for display, from its header.
///
/// # Errors
/// As [`image_size`].
pub fn orientation(path: &Path) -> Result<Orientation, ImageError> {
    header(path).map(|(_, orientation)| orientation)
}

/// Returns width and height, in pixels, of the decoded image, EXIF orientation applied. Reads only the header of the
/// file.
///
/// # Errors
/// When the file cannot be read, is neither PNG nor JPEG, is a CMYK JPEG or a JPEG that has not 8 bits per sample,
/// exceeds [`MAX_DIMENSION`] or [`MAX_PIXELS`], or its header is cut off or damaged.
pub fn image_size(path: &Path) -> Result<(u32, u32), ImageError> {
    let ((width, height), orientation) = header(path)?;
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    match orientation {
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => Ok((height, width)),
        _ => Ok((width, height)),
    }
}

/// Returns width and height as stored, and the orientation for display, from the header of a file.
fn header(path: &Path) -> Result<((u32, u32), Orientation), ImageError> {
    let file = File::open(path).map_err(|source| ImageError::Io { path: path.to_owned(), source })?;
    let mut reader = BufReader::new(file);
    match format(&mut reader, path)? {
        Format::Png => {
            let (decoder, orientation) = png::header(reader, path)?;
            Ok((decoder.dimensions(), orientation))
        }
        Format::Jpeg => jpeg::size(reader, path),
    }
}

/// Reads the bytes of an image file.
///
/// # Errors
/// When the file cannot be read or is longer than [`MAX_FILE_BYTES`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, ImageError> {
    let failed = |source| ImageError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES { Err(ImageError::LongFile(path.to_owned())) } else { Ok(bytes) }
}

/// Returns the SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes an image to the samples that the file stores, EXIF orientation applied.
fn decode(bytes: &[u8], path: &Path) -> Result<DynamicImage, ImageError> {
    let (mut picture, orientation, _) = unturned(bytes, path)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Decodes an image to the samples that the file stores. Returns it as it is stored, the orientation for display, and
/// the format of the file.
fn unturned(bytes: &[u8], path: &Path) -> Result<(DynamicImage, Orientation, Format), ImageError> {
    let mut reader = Cursor::new(bytes);
    let format = format(&mut reader, path)?;
    let (picture, orientation) = match format {
        Format::Png => png::decode(reader, path)?,
        Format::Jpeg => jpeg::decode(bytes, path)?,
    };
    Ok((picture, orientation, format))
}

/// Format of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Png,
    Jpeg,
}

/// Recognises the format by the first bytes of a file, and rewinds the reader.
fn format(reader: &mut (impl BufRead + Seek), path: &Path) -> Result<Format, ImageError> {
    let unread = |source| ImageError::Io { path: path.to_owned(), source };
    let mut start = Vec::new();
    reader.by_ref().take(16).read_to_end(&mut start).map_err(unread)?;
    reader.rewind().map_err(unread)?;
    match image::guess_format(&start) {
        Ok(ImageFormat::Png) => Ok(Format::Png),
        Ok(ImageFormat::Jpeg) => Ok(Format::Jpeg),
        _ => Err(ImageError::Format(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, ImageEncoder, Luma, LumaA, Rgb, Rgba, RgbaImage};

    use super::*;

    fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, ImageFormat::Png).expect("encodes");
        bytes.into_inner()
    }

    fn read(bytes: &[u8]) -> RgbImage {
        decode_image(bytes, Path::new("a.png")).expect("decodes")
    }

    #[test]
    fn sixteen_bits_are_scaled_over_their_whole_range() {
        let deep = ImageBuffer::<Luma<u16>, _>::from_fn(256, 256, |x, y| Luma([(y * 256 + x) as u16]));
        for (value, pixel) in read(&png(deep)).pixels().enumerate() {
            let expected = (value as f64 / 257.0).round() as u8;
            assert_eq!(pixel.0, [expected; 3], "{value}");
        }
        let colour = ImageBuffer::<Rgb<u16>, Vec<u16>>::from_pixel(1, 1, Rgb([0, 128, 65535]));
        assert_eq!(read(&png(colour)).get_pixel(0, 0).0, [0, 0, 255]);
    }

    #[test]
    fn grey_is_repeated_and_alpha_is_dropped() {
        assert_eq!(read(&png(GrayImage::from_pixel(2, 1, Luma([7])))).get_pixel(1, 0).0, [7; 3]);
        assert_eq!(read(&png(GrayAlphaImage::from_pixel(1, 1, LumaA([9, 0])))).get_pixel(0, 0).0, [9; 3]);
        assert_eq!(read(&png(RgbaImage::from_pixel(1, 1, Rgba([1, 2, 3, 0])))).get_pixel(0, 0).0, [1, 2, 3]);
    }

    /// A JPEG that is dark on its left half, with EXIF orientation `turn`.
    fn turned_jpeg(turn: u8) -> Vec<u8> {
        let picture = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 16 { 0 } else { 255 }]));
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([turn, 0, 0, 0, 0, 0, 0, 0]);
        encoder.set_exif_metadata(exif).expect("JPEG has EXIF");
        encoder.write_image(&picture, 32, 16, image::ExtendedColorType::L8).expect("encodes");
        bytes
    }

    #[test]
    fn exif_orientation_is_applied_and_the_header_size_agrees() {
        let folder = tempfile::tempdir().expect("writable");
        // For each orientation a pixel of the dark half and one of the bright half.
        let expected = [
            (1, [8, 8], [24, 8]),
            (3, [24, 8], [8, 8]),
            (6, [8, 8], [8, 24]),
            (8, [8, 24], [8, 8]),
            (2, [24, 8], [8, 8]),
        ];
        for (turn, dark, bright) in expected {
            let path = folder.path().join("a.jpg");
            std::fs::write(&path, turned_jpeg(turn)).expect("written");
            let picture = load_image(&path).expect("decodes");
            assert_eq!(image_size(&path).expect("has a header"), picture.dimensions());
            assert!(picture.get_pixel(dark[0], dark[1]).0[0] < 30, "{turn}");
            assert!(picture.get_pixel(bright[0], bright[1]).0[0] > 220, "{turn}");
        }
    }

    #[test]
    fn a_cmyk_jpeg_is_refused() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("scan.jpg");
        // The same image without a statement on inversion, and with the one that Adobe's programs write.
        for bytes in [
            include_bytes!("../../../../tests/fuzz/corpus/picture/cmyk.jpg").as_slice(),
            include_bytes!("../../../../tests/fuzz/corpus/picture/cmyk-adobe.jpg").as_slice(),
        ] {
            std::fs::write(&path, bytes).expect("written");
            for refused in [load_image(&path).map(drop), image_size(&path).map(drop)] {
                assert!(matches!(refused, Err(ImageError::Cmyk(_))), "{refused:?}");
            }
        }
    }

    #[test]
    fn hostile_and_damaged_files_are_refused_by_name() {
        let error = |bytes: &[u8]| decode_image(bytes, Path::new("scan.png")).expect_err("refused").to_string();
        assert!(error(b"GIF89a\x01\0\x01\0\0\0\0;").starts_with("scan.png: is neither PNG nor JPEG"));
        let whole = png(GrayImage::new(64, 64));
        assert!(error(&whole[..whole.len() / 2]).starts_with("scan.png: cannot be decoded"));
        // A header that declares 100,000 x 100,000 pixels, with a correct checksum.
        let mut bomb = whole;
        bomb[16..20].copy_from_slice(&100_000u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&100_000u32.to_be_bytes());
        let crc = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.to_be_bytes());
        let message = error(&bomb);
        assert!(message.starts_with("scan.png: is 100000x100000 pixels"), "{message}");
        let absent = load_image(Path::new("no/such.png")).expect_err("absent").to_string();
        assert!(absent.starts_with("no/such.png: cannot be read"));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
        })
    }

    #[test]
    fn the_digest_is_sha256() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
