//! Reading of an image file of any format.

use std::path::Path;

use image::DynamicImage;
use stepwise_data::case::{Pixels, SourceKind};
use stepwise_data::image::{check_range, sha256_hex, turn_in_words};

use super::decoded::{Facts, SourceImage};
use super::deep::{self, Deep};
use super::intensity::Mapping;
use super::kind::kind;
use super::options::PixelOptions;
use super::refused::Refused;
use super::{dicom, plain};

/// Reads an image file of a source. `path` is used to recognise the format and, except for DICOM, in error messages.
///
/// # Errors
/// When the format is unknown, the file is damaged, exceeds the limits of images, or needs a choice that `options` does
/// not make.
pub fn read(bytes: &[u8], path: &Path, options: &PixelOptions) -> Result<SourceImage, Refused> {
    match kind(bytes, path) {
        Some(SourceKind::Dicom) => dicom::read(bytes, options),
        Some(SourceKind::Nifti) => {
            let what = format!("{}: is a NIfTI volume, and a row needs one image", path.display());
            Err(Refused::new(what, "use `stepwise data import msd`, which reads the slices of volumes"))
        }
        Some(kind) => plain_image(bytes, kind, path, options),
        None => {
            let what = format!("{}: is neither PNG nor JPEG, TIFF, WebP, BMP or DICOM", path.display());
            Err(Refused::new(what, "convert it to PNG"))
        }
    }
}

fn plain_image(bytes: &[u8], kind: SourceKind, path: &Path, options: &PixelOptions) -> Result<SourceImage, Refused> {
    let plain::Plain { samples, orientation, bits, remarks } = plain::decode(bytes, kind, path)?;
    let mut remarks: Vec<String> = remarks.into_iter().map(str::to_owned).collect();
    let is_deep = Deep::of(&samples).is_some();
    let (mut picture, mapping) = match (Deep::of(&samples), options.intensity) {
        (Some(deep), Some(intensity)) => {
            let mapping = Mapping::of(intensity, deep.extremes(options.offset));
            remarks.push(format!("16 bits mapped to 8 by {}", deep::words(intensity, options.offset)));
            (deep.mapped(mapping, options.offset), Some(mapping))
        }
        _ => {
            if is_deep {
                check_range(&samples, path)?;
            }
            (eight_bits(samples), None)
        }
    };
    picture.apply_orientation(orientation);
    let is_copied = matches!(kind, SourceKind::Png | SourceKind::Jpeg) && mapping.is_none();
    let pixels = (!is_copied).then(|| Pixels {
        source: None,
        sha256: sha256_hex(bytes),
        kind,
        bits,
        mapping: match mapping {
            Some(mapping) => Some(mapping.to_string()),
            None => is_deep.then(|| format!("0:{}", u16::MAX)),
        },
        window: mapping.and_then(Mapping::window),
        inverted: false,
        turn: turn_in_words(orientation),
        frame: None,
        slice: None,
    });
    Ok(SourceImage { picture, pixels, turn: orientation, facts: Facts::default(), remarks })
}

/// Returns the image as 8-bit grey or RGB, without alpha.
fn eight_bits(samples: DynamicImage) -> DynamicImage {
    if samples.color().has_color() { samples.into_rgb8().into() } else { samples.into_luma8().into() }
}
