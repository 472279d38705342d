//! An image of a source, decoded.

use image::DynamicImage;
use image::metadata::Orientation;
use serde::{Deserialize, Serialize};
use stepwise_data::case::Pixels;

/// An image of a source.
#[derive(Clone, Debug)]
pub struct SourceImage {
    /// Image as shown, 8-bit grey or RGB.
    pub picture: DynamicImage,
    /// How the pixels were made; None when the file itself can be copied.
    pub pixels: Option<Pixels>,
    /// How the stored pixels are turned for display.
    pub turn: Orientation,
    /// What the file records beside the pixels.
    pub facts: Facts,
    /// Remarks on the pixels for the report, in words.
    pub remarks: Vec<String>,
}

/// What an image file records beside its pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Imaging modality, such as `ct`; None when not recorded.
    pub modality: Option<String>,
    /// Imaged part of the body; None when not recorded.
    pub body_region: Option<String>,
    /// `radiological` or `neurological`; None when not recorded.
    pub orientation: Option<String>,
    /// Digest of the patient, else of the study; None when neither is recorded.
    pub group: Option<String>,
}
