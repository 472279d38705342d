//! DICOM files: one frame as grey levels or colours, and facts without names, dates and ids.
//!
//! The reader looks at the few attributes that pixels need and passes over all others, so that names, dates,
//! institutions, ids and private attributes cannot reach an output. Value lengths are checked against the file before
//! anything is read, and nested sequences are limited.

mod colour;
mod elements;
mod encoding;
mod file;
mod frames;
mod grey;
mod header;
mod jpeg;
mod lookup;
mod rle;
mod samples;
#[cfg(test)]
mod tests;

use image::DynamicImage;
use image::metadata::Orientation;
use stepwise_data::case::{Pixels, SourceKind};
use stepwise_data::image::sha256_hex;

use super::decoded::{Facts, SourceImage};
use super::options::PixelOptions;
use super::refused::Refused;
use header::{Header, Photometric};

/// Reads one frame of a DICOM file. Messages do not name the file, because file names can identify a person.
///
/// # Errors
/// When the file is no DICOM file or damaged, has no image, has several frames and no choice of one, is compressed in a
/// way that is not read, exceeds the limits of images, or needs a window.
pub(crate) fn read(bytes: &[u8], options: &PixelOptions) -> Result<SourceImage, Refused> {
    let (data_set, syntax) = file::open(bytes)?;
    let header = Header::read(&data_set, syntax, options.frame)?;
    let samples = samples::read(&header)?;
    let mut remarks = header.remarks();
    let (picture, shown) = match header.photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 => {
            let (picture, shown) = grey::levels(&header, &samples, options)?;
            remarks.extend(shown.remarks(&header));
            (DynamicImage::ImageLuma8(picture), Some(shown))
        }
        _ => (DynamicImage::ImageRgb8(colour::rgb(&header, samples)?), None),
    };
    let pixels = Pixels {
        source: None,
        sha256: sha256_hex(bytes),
        kind: SourceKind::Dicom,
        bits: header.bits_stored,
        mapping: shown.as_ref().map(|shown| shown.mapping.clone()),
        window: shown.as_ref().and_then(|shown| shown.window),
        inverted: header.photometric == Photometric::Monochrome1,
        turn: None,
        frame: (header.frames > 1).then_some(header.frame),
        slice: None,
    };
    let facts = Facts {
        modality: header.modality(),
        body_region: header.body_region(),
        orientation: header.orientation().map(str::to_owned),
        group: header.group(),
    };
    Ok(SourceImage { picture, pixels: Some(pixels), turn: Orientation::NoTransforms, facts, remarks })
}
