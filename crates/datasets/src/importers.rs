//! Importers of data sets whose questions are worded here, in four stages.

use std::path::Path;

use super::formats::Mark;
use super::import::{ImportError, ImportOptions, ImportReport};
use super::{bccd, brain_mri, cxr};

/// Importer of one public data set. It reads unpacked files and downloads nothing.
#[derive(Clone, Copy, Debug)]
pub struct Importer {
    /// Name on the command line, such as `brain-mri`.
    pub name: &'static str,
    /// Short description of the data set and of the files that are read.
    pub about: &'static str,
    /// Function that returns what the importer looks for in a folder and whether it is there.
    pub marks: fn(&Path) -> Vec<Mark>,
    /// Function that reads the data set in the first folder and writes `cases.jsonl`, `images/` and, if there
    /// are masks, `masks/` to the second folder. The second folder is created; an error is returned when it
    /// holds a `cases.jsonl` or files that no import wrote.
    pub run: fn(&Path, &Path, &ImportOptions) -> Result<ImportReport, ImportError>,
}

/// All importers, in the order of lists on the command line.
pub const IMPORTERS: &[Importer] = &[
    Importer {
        name: cxr::NAME,
        about: "chest X-rays with masks of lungs, findings and devices (metadata.csv, structure.csv, images/, masks/)",
        marks: cxr::marks,
        run: cxr::import,
    },
    Importer {
        name: brain_mri::NAME,
        about: "T1 slices of brain tumours with YOLO boxes (glioma/, meningioma/, pituitary/)",
        marks: brain_mri::marks,
        run: brain_mri::import,
    },
    Importer {
        name: bccd::NAME,
        about: "blood smears with boxes of cells (Pascal VOC: JPEGImages/, Annotations/, ImageSets/Main/)",
        marks: bccd::marks,
        run: bccd::import,
    },
];

/// Returns the importer with the name `name`; None if there is none.
#[must_use]
pub fn importer(name: &str) -> Option<&'static Importer> {
    IMPORTERS.iter().find(|importer| importer.name == name)
}
