//! Contents of an image file, and the changes that decoding makes to its samples.

use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

use super::{Format, ImageError, sixteen_bits, unturned};

/// Contents of an image file before decoding to 8-bit RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredImage {
    format: Format,
    /// Bits of a sample, 8 or 16.
    bits: u16,
    is_grey: bool,
    has_alpha: bool,
    orientation: Orientation,
}

/// Decodes the bytes of a PNG or JPEG file as [`super::decode_image`] does, and also returns what the file contains.
/// `path` is used in error messages only.
///
/// # Errors
/// As [`super::decode_image`].
pub fn decode_stored(bytes: &[u8], path: &Path) -> Result<(RgbImage, StoredImage), ImageError> {
    let (mut picture, orientation, format) = unturned(bytes, path)?;
    let stored = StoredImage::of(&picture, orientation, format);
    picture.apply_orientation(orientation);
    sixteen_bits::check(&picture, path)?;
    Ok((picture.into_rgb8(), stored))
}

impl StoredImage {
    fn of(picture: &DynamicImage, orientation: Orientation, format: Format) -> Self {
        let colour = picture.color();
        Self {
            format,
            bits: 8 * u16::from(colour.bytes_per_pixel() / colour.channel_count()),
            is_grey: !colour.has_color(),
            has_alpha: colour.has_alpha(),
            orientation,
        }
    }

    /// Returns format, bits and colours of the file in words, for example `PNG, 16 bits, grey`. Samples of fewer than 8
    /// bits, and colours of a palette, count as 8 bits; a JPEG counts as colour.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.format {
            Format::Png => format!("PNG, {} bits, {}", self.bits, if self.is_grey { "grey" } else { "colour" }),
            Format::Jpeg => "JPEG, 8 bits".to_owned(),
        }
    }

    /// Returns the changes that decoding makes, in words and in order; empty when it makes none.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        let turn = turn_in_words(self.orientation);
        let deep = (self.bits == 16).then(|| "scaled from 16 to 8 bits over the whole range".to_owned());
        let alpha = self.has_alpha.then(|| "alpha channel left out".to_owned());
        let grey = self.is_grey.then(|| "grey repeated as red, green and blue".to_owned());
        turn.into_iter().chain(deep).chain(alpha).chain(grey).collect()
    }
}

/// Returns how an EXIF orientation turns or mirrors the stored pixels, in words; None when it leaves them.
#[must_use]
pub fn turn_in_words(orientation: Orientation) -> Option<String> {
    let turn = match orientation {
        Orientation::NoTransforms => return None,
        Orientation::Rotate90 => "turned by 90 degrees clockwise",
        Orientation::Rotate180 => "turned by 180 degrees",
        Orientation::Rotate270 => "turned by 90 degrees counter-clockwise",
        Orientation::FlipHorizontal => "mirrored left to right",
        Orientation::FlipVertical => "mirrored top to bottom",
        Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => "turned by 90 degrees and mirrored",
    };
    Some(format!("{turn}, as EXIF orientation {} says", orientation.to_exif()))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::jpeg::JpegEncoder;
    use image::{GrayImage, ImageBuffer, ImageEncoder, ImageFormat, LumaA};

    use super::*;

    #[test]
    fn changes_to_a_deep_image_with_alpha_are_named() {
        let deep = ImageBuffer::from_fn(64, 64, |x, y| LumaA([(y * 64 + x) as u16 * 16, 7]));
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageLumaA16(deep).write_to(&mut bytes, ImageFormat::Png).expect("encodes");
        let (_, stored) = decode_stored(bytes.get_ref(), Path::new("a.png")).expect("decodes");
        assert_eq!(stored.describe(), "PNG, 16 bits, grey");
        let changes = [
            "scaled from 16 to 8 bits over the whole range",
            "alpha channel left out",
            "grey repeated as red, green and blue",
        ];
        assert_eq!(stored.changes(), changes);
    }

    #[test]
    fn every_exif_orientation_is_named_with_its_number() {
        for (number, turn) in
            (2..=8u8).zip(["mirrored left", "turned by 180", "mirrored top", "turned", "turned", "turned", "turned"])
        {
            let mut bytes = Vec::new();
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
            let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
            exif.extend([number, 0, 0, 0, 0, 0, 0, 0]);
            encoder.set_exif_metadata(exif).expect("JPEG has EXIF");
            encoder.write_image(&GrayImage::new(32, 16), 32, 16, image::ExtendedColorType::L8).expect("encodes");
            let (picture, stored) = decode_stored(&bytes, Path::new("a.jpg")).expect("decodes");
            assert_eq!(picture.dimensions(), if number < 5 { (32, 16) } else { (16, 32) });
            assert_eq!(stored.describe(), "JPEG, 8 bits");
            let changes = stored.changes();
            assert!(changes.len() == 1 && changes[0].starts_with(turn), "{changes:?}");
            assert!(changes[0].ends_with(&format!("as EXIF orientation {number} says")), "{changes:?}");
        }
    }
}
