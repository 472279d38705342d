//! Public data sets become case files: facts only from their annotations, questions in our words.
//!
//! Every importer copies the images it uses byte for byte, writes masks at the size of their image, and covers all four
//! stages in each case. Equal sources and seeds give equal bytes.

mod bccd;
mod brain_mri;
mod chain;
mod cxr;
mod output;
mod pixels;
mod sides;
#[cfg(test)]
mod tests;

use std::path::Path;

use stepwise_data::image::PictureError;
use stepwise_data::problem::{Problem, Problems};

/// A data set that can be imported.
#[derive(Clone, Copy, Debug)]
pub struct Importer {
    /// As on the command line.
    pub name: &'static str,
    /// One line about the data set and the layout that is read.
    pub about: &'static str,
    /// Reads the data set's folder and writes `cases.jsonl`, `images/` and, where there are any, `masks/`.
    pub run: fn(&Path, &Path, &ImportOptions) -> Result<ImportReport, ImportError>,
}

/// All data sets that can be imported.
pub const IMPORTERS: &[Importer] = &[
    Importer {
        name: "cxr",
        about: "chest X-rays with masks of lungs, findings and devices (metadata.csv, structure.csv, images/, masks/)",
        run: cxr::import,
    },
    Importer {
        name: "brain-mri",
        about: "T1 slices of brain tumours with YOLO boxes (glioma/, meningioma/, pituitary/)",
        run: brain_mri::import,
    },
    Importer {
        name: "bccd",
        about: "blood smears with boxes of cells (Pascal VOC: JPEGImages/, Annotations/, ImageSets/Main/)",
        run: bccd::import,
    },
];

/// The importer of this name.
#[must_use]
pub fn importer(name: &str) -> Option<&'static Importer> {
    IMPORTERS.iter().find(|importer| importer.name == name)
}

/// What the caller decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Decides splits (where the source has none), the order of options, and which of many questions are asked.
    pub seed: u64,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// Cases.
    pub cases: usize,
    /// Questions.
    pub items: usize,
    /// Regions.
    pub regions: usize,
    /// What was left out or moved, and why: one line each.
    pub skipped: Vec<String>,
}

/// Why there is no case file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Annotations contradict themselves or their images, or a file cannot be read or written.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// An image or mask cannot be read.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl From<Problem> for ImportError {
    fn from(problem: Problem) -> Self {
        Self::Problems(problem.into())
    }
}
