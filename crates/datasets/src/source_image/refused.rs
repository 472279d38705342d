//! Refusal of an image file of a source.

use stepwise_data::image::ImageError;

/// Reason why an image file of a source is not imported, with advice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} -> {advice}")]
pub struct Refused {
    /// What is wrong. The path of the file is named, except for DICOM, whose file names can identify a person.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

impl Refused {
    /// Makes a refusal.
    pub(crate) fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }
}

impl From<ImageError> for Refused {
    fn from(error: ImageError) -> Self {
        let message = error.to_string();
        let (what, advice) = message.split_once(" -> ").unwrap_or((&message, "correct the file"));
        Self::new(what, advice)
    }
}
