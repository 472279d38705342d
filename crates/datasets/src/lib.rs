#![doc = include_str!("../README.md")]

mod bccd;
mod brain_mri;
mod chain;
mod cxr;
mod import;
mod output;
mod pixels;
mod sides;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use import::{ImportError, ImportOptions, ImportReport};

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
