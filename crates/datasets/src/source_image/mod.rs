//! Image files of sources, decoded to the 8-bit images of cases: PNG, JPEG, TIFF, WebP, BMP, DICOM and NIfTI.
//!
//! PNG and JPEG files are copied, unless their 16-bit samples are mapped. All other files become PNG files of 8 bits,
//! and the record of the image says how.

mod class_values;
mod decoded;
mod deep;
mod dicom;
mod intensity;
mod kind;
mod mask;
mod nifti;
mod options;
mod plain;
mod read;
mod refused;
#[cfg(test)]
mod tests;

pub(crate) use class_values::ClassValues;
pub use decoded::{Facts, SourceImage};
pub(crate) use intensity::Mapping;
pub use intensity::{Intensity, Window};
pub(crate) use kind::{EXTENSIONS, is_dicom_name, kind};
pub(crate) use mask::read_mask;
pub(crate) use nifti::file_sha256;
pub use nifti::{Slice, Volume};
pub use options::{DrawnOn, PixelOptions, Plane, Slices, WindowChoice};
pub use read::read;
pub use refused::Refused;
