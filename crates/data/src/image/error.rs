//! Errors of images.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::limits::{MAX_DIMENSION, MAX_FILE_BYTES, MAX_PIXELS};

/// Reason why a file cannot be read as an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source} -> check that the file exists and may be read", path.display())]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file is longer than [`MAX_FILE_BYTES`].
    #[error("{}: is longer than {MAX_FILE_BYTES} bytes -> check that it is an image, and shrink it", .0.display())]
    LongFile(PathBuf),
    /// The file is neither PNG nor JPEG.
    #[error(
        "{}: is neither PNG nor JPEG -> convert it to PNG; `stepwise data import` does so for TIFF, WebP, BMP, DICOM and \
         NIfTI",
        .0.display()
    )]
    Format(PathBuf),
    /// The file is a JPEG with four colour components (CMYK).
    #[error(
        "{}: is a CMYK JPEG, whose colours depend on a printer's colour profile -> save it again as RGB or greyscale",
        .0.display()
    )]
    Cmyk(PathBuf),
    /// The image exceeds [`MAX_DIMENSION`] or [`MAX_PIXELS`].
    #[error(
        "{}: is {width}x{height} pixels; at most {MAX_DIMENSION} a side and {MAX_PIXELS} in all are allowed -> shrink it",
        path.display()
    )]
    TooLarge {
        /// Path of the file.
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The file ends before the image does.
    #[error("{}: cannot be decoded: the file is cut off -> copy it again from its source", .0.display())]
    CutOff(PathBuf),
    /// The compressed data are damaged or parts of them are missing, but the file has its end.
    #[error(
        "{}: cannot be decoded: the file has its end, but its compressed data are damaged or lack a part -> copy it \
         again from its source",
        .0.display()
    )]
    Damaged(PathBuf),
    /// The file is damaged, or uses a feature that is not supported.
    #[error("{}: cannot be decoded: {source} -> the file may be damaged; save it again as PNG", path.display())]
    Decode {
        /// Path of the file.
        path: PathBuf,
        /// Error of the decoder.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The samples of a 16-bit image fill less than an eighth of the 16-bit range.
    #[error(
        "{}: is a 16-bit image with values up to {largest}, nearly all of them between {low} and {high}: less than an \
         eighth of the 16-bit range, so in 8 bits it would have almost no contrast -> convert it to 8 bits, all images \
         of the data set by one mapping; `stepwise data import` does so with --intensity 12bit (values 0 to 4095), \
         --intensity LOW:HIGH, --intensity window:CENTRE/WIDTH or --intensity min-max",
        path.display()
    )]
    NarrowRange {
        /// Path of the file.
        path: PathBuf,
        /// Lowest sample, outliers left out.
        low: u16,
        /// Highest sample, outliers left out.
        high: u16,
        /// Highest sample of all.
        largest: u16,
    },
}

impl ImageError {
    /// Makes [`ImageError::Decode`] from the error of a decoder.
    pub(super) fn decode(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Decode { path: path.to_owned(), source: source.into() }
    }

    /// Makes the error of reading a file or its bytes: [`ImageError::CutOff`] for an early end, else
    /// [`ImageError::Io`].
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff(path.to_owned()),
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}
