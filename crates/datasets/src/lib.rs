#![doc = include_str!("../README.md")]

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

/// Importer of one public data set.
#[derive(Clone, Copy, Debug)]
pub struct Importer {
    /// Name on the command line.
    pub name: &'static str,
    /// One line about the data set and the files that are read.
    pub about: &'static str,
    /// Reads the data set in the first folder and writes `cases.jsonl`, `images/` and, if there are masks, `masks/` to
    /// the second folder.
    pub run: fn(&Path, &Path, &ImportOptions) -> Result<ImportReport, ImportError>,
}

/// All importers.
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

/// Returns the importer with this name, if there is one.
#[must_use]
pub fn importer(name: &str) -> Option<&'static Importer> {
    IMPORTERS.iter().find(|importer| importer.name == name)
}

/// Options of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Seed of all random draws: the split (where the source has none), the order of options, and the choice
    /// of questions.
    pub seed: u64,
}

/// Summary of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// Number of cases written.
    pub cases: usize,
    /// Number of questions written.
    pub items: usize,
    /// Number of regions written.
    pub regions: usize,
    /// Notes on what was left out or moved to another side of the split, and why; one line each.
    pub skipped: Vec<String>,
}

/// Error of an import. No case file was written.
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
