//! Choices of the user about the pixels of an import.

use std::str::FromStr;

use super::intensity::{Intensity, Window};

/// Choices about the pixels of an import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PixelOptions {
    /// Mapping of samples of more than 8 bits to grey levels. None scales 16-bit samples over their whole range, refuses
    /// those that fill less than an eighth of it, and uses the windows of DICOM files.
    pub intensity: Option<Intensity>,
    /// Number that is added to the stored samples of 16-bit PNG and TIFF files before `intensity` maps them.
    pub offset: i64,
    /// Window of DICOM files; None for the first window or table of the file, or for `intensity`.
    pub window: Option<WindowChoice>,
    /// Frame of DICOM files with several, or volume of NIfTI files with several, counted from 1; None refuses such files.
    /// Number of the channel of nnU-Net, too; None takes the first.
    pub frame: Option<u32>,
    /// Plane of the slices of NIfTI volumes.
    pub plane: Plane,
    /// Slices of NIfTI volumes that are imported.
    pub slices: Slices,
    /// Pixels on which regions of images with an EXIF orientation were drawn where the size in the annotation does not
    /// decide; None refuses these images.
    pub exif: Option<DrawnOn>,
}

/// Window of a DICOM file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WindowChoice {
    /// Window of the file by its number, counted from 1.
    Number(usize),
    /// A window for all files.
    Values(Window),
}

impl FromStr for WindowChoice {
    type Err = String;

    /// Reads `N` or `CENTRE/WIDTH`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return text.parse().map(Self::Values);
        }
        match text.trim().parse() {
            Ok(number) if number > 0 => Ok(Self::Number(number)),
            _ => Err("write the number of a window, from 1, or CENTRE/WIDTH".into()),
        }
    }
}

/// Pixels on which regions were drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawnOn {
    /// Pixels as the file stores them.
    Stored,
    /// Pixels as shown, after the turn of the EXIF orientation.
    Shown,
}

impl FromStr for DrawnOn {
    type Err = String;

    /// Reads `stored` or `shown`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stored" => Ok(Self::Stored),
            "shown" => Ok(Self::Shown),
            _ => Err("write stored or shown".into()),
        }
    }
}

/// Anatomical plane of a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plane {
    /// Across the body, seen from the feet.
    #[default]
    Axial,
    /// Along the body, seen from the front.
    Coronal,
    /// Along the body, seen from the patient's left.
    Sagittal,
}

impl Plane {
    /// Returns the word of the plane.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Coronal => "coronal",
            Self::Sagittal => "sagittal",
        }
    }
}

impl FromStr for Plane {
    type Err = String;

    /// Reads `axial`, `coronal` or `sagittal`.
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Axial, Self::Coronal, Self::Sagittal];
        all.into_iter().find(|plane| plane.word() == text).ok_or("write axial, coronal or sagittal".into())
    }
}

/// Slices of a volume that are imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Slices {
    /// Slices on which the label map has a class.
    #[default]
    Labelled,
    /// All slices.
    All,
    /// Slices by their indices along the stored axis, counted from 0.
    Indices(Vec<usize>),
}

impl FromStr for Slices {
    type Err = String;

    /// Reads `labelled`, `all`, or indices with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "labelled" => Ok(Self::Labelled),
            "all" => Ok(Self::All),
            list => {
                let indices: Result<Vec<usize>, _> = list.split(',').map(|index| index.trim().parse()).collect();
                indices.map(Self::Indices).map_err(|_| "write labelled, all, or indices such as 40,60".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_from_text() {
        assert_eq!("2".parse(), Ok(WindowChoice::Number(2)));
        let window = Window { centre: 40.0, width: 400.0 };
        assert_eq!("40/400".parse(), Ok(WindowChoice::Values(window)));
        assert!("0".parse::<WindowChoice>().is_err() && "40/0".parse::<WindowChoice>().is_err());
        assert_eq!("stored".parse(), Ok(DrawnOn::Stored));
        assert_eq!("coronal".parse(), Ok(Plane::Coronal));
        assert_eq!("40, 60".parse(), Ok(Slices::Indices(vec![40, 60])));
        assert_eq!(("all".parse(), "labelled".parse()), (Ok(Slices::All), Ok(Slices::Labelled)));
        assert!("some".parse::<Slices>().is_err());
    }
}
