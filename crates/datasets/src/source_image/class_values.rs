//! Label maps: images whose values are classes. Values are read as they are stored, never scaled.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use image::DynamicImage;
use image::metadata::Orientation;
use png::{BitDepth, ColorType, Limits, Transformations};
use stepwise_data::case::SourceKind;
use stepwise_data::image::{MAX_ALLOC, Mask, check_size};

use super::kind::kind;
use super::plain;
use super::refused::Refused;

/// Advice for label maps whose values cannot be read.
const ADVICE: &str = "save the label map as PNG with grey values or palette indices as classes";

/// Class of each pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassValues {
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// Values, row by row; `width * height` of them. A label map with an EXIF orientation is refused.
    values: Vec<u16>,
}

impl ClassValues {
    /// Reads grey values or palette indices of a PNG, or grey values of a TIFF. `path` is used in error messages only.
    ///
    /// # Errors
    /// When the file has another format, is too large or damaged, or holds colours instead of one value a pixel.
    pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Self, Refused> {
        let refused = |what: &str| Refused::new(format!("{}: {what}", path.display()), ADVICE);
        match kind(bytes, path) {
            Some(SourceKind::Png) => png_values(bytes, path),
            Some(SourceKind::Tiff) => {
                let plain = plain::decode(bytes, SourceKind::Tiff, path)?;
                upright(plain.orientation, path)?;
                let (width, height) = (plain.samples.width(), plain.samples.height());
                let scale = if plain.bits == 1 { 255 } else { 1 };
                let values = match plain.samples {
                    DynamicImage::ImageLuma8(picture) => {
                        picture.into_raw().into_iter().map(|value| u16::from(value / scale)).collect()
                    }
                    DynamicImage::ImageLuma16(picture) => picture.into_raw(),
                    _ => return Err(refused("holds colours, not one class a pixel")),
                };
                Ok(Self { width, height, values })
            }
            Some(SourceKind::Jpeg) => Err(refused("is a JPEG, whose compression changes values")),
            Some(kind) => Err(refused(&format!("is {}, which is not read as a label map", kind.name()))),
            None => Err(refused("is neither PNG nor TIFF")),
        }
    }

    /// Returns the values that occur, each with its number of pixels.
    pub(crate) fn counts(&self) -> BTreeMap<u16, usize> {
        let mut counts = vec![0usize; 1 << 16];
        self.values.iter().for_each(|value| counts[usize::from(*value)] += 1);
        let found = (0..=u16::MAX).zip(counts);
        found.filter(|(_, count)| *count > 0).collect()
    }

    /// Returns the pixels of one value.
    pub(crate) fn mask(&self, value: u16) -> Mask {
        let inside = self.values.iter().map(|found| *found == value).collect();
        Mask { width: self.width, height: self.height, inside }
    }
}

/// Refuses a label map with an EXIF orientation: programs disagree whether it applies.
fn upright(orientation: Orientation, path: &Path) -> Result<(), Refused> {
    if orientation == Orientation::NoTransforms {
        return Ok(());
    }
    let what = format!("{}: has an EXIF orientation", path.display());
    Err(Refused::new(what, "save the label map upright, without EXIF"))
}

fn png_values(bytes: &[u8], path: &Path) -> Result<ClassValues, Refused> {
    let damaged = |error: png::DecodingError| {
        let what = format!("{}: cannot be decoded: {error}", path.display());
        Refused::new(what, "copy it again from its source")
    };
    // The whole file is decoded for its checks and its orientation first.
    upright(plain::decode(bytes, SourceKind::Png, path)?.orientation, path)?;
    let limits = Limits { bytes: MAX_ALLOC as usize };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width, reader.info().height);
    check_size(path, (width, height))?;
    let mut raw = vec![0; reader.output_buffer_size().unwrap_or(0)];
    let frame = reader.next_frame(&mut raw).map_err(damaged)?;
    let line = frame.line_size;
    let samples = frame.color_type.samples();
    let mut values = Vec::with_capacity(width as usize * height as usize);
    for row in raw.chunks_exact(line.max(1)).take(height as usize) {
        for x in 0..width as usize {
            let at = |sample: usize| sample_at(row, x * samples + sample, frame.bit_depth);
            let is_colour = matches!(frame.color_type, ColorType::Rgb | ColorType::Rgba);
            if is_colour && (at(0) != at(1) || at(0) != at(2)) {
                let what = format!("{}: holds colours, not one class a pixel", path.display());
                return Err(Refused::new(what, ADVICE));
            }
            values.push(at(0));
        }
    }
    Ok(ClassValues { width, height, values })
}

/// Returns the sample with index `index` of a row.
fn sample_at(row: &[u8], index: usize, depth: BitDepth) -> u16 {
    let bits = depth as usize;
    match depth {
        BitDepth::Sixteen => u16::from_be_bytes([row[2 * index], row[2 * index + 1]]),
        BitDepth::Eight => u16::from(row[index]),
        // Samples of fewer bits fill each byte from its highest bit on.
        _ => {
            let first = index * bits;
            let shift = 8 - bits - first % 8;
            u16::from(row[first / 8] >> shift) & ((1 << bits) - 1)
        }
    }
}
