#![doc = include_str!("../README.md")]

mod bccd;
mod brain_mri;
mod chain;
mod cxr;
mod formats;
mod import;
mod marks;
mod output;
mod pixels;
mod sides;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use formats::{
    CASES, Columns, Detected, FORMATS, Format, FormatOptions, FormatReport, Mark, REPORT_SCHEMA, SplitChoice, detect,
    format, import_cases, import_format,
};
pub use import::{ImportError, ImportOptions, ImportReport};

/// Importer of one public data set. It reads unpacked files and downloads nothing.
#[derive(Clone, Copy, Debug)]
pub struct Importer {
    /// Name on the command line, such as `brain-mri`.
    pub name: &'static str,
    /// Short description of the data set and of the files that are read.
    pub about: &'static str,
    /// Function that reads the data set in the first folder and writes `cases.jsonl`, `images/` and, if there
    /// are masks, `masks/` to the second folder. The second folder is created; an error is returned when it
    /// holds a `cases.jsonl`.
    pub run: fn(&Path, &Path, &ImportOptions) -> Result<ImportReport, ImportError>,
}

/// All importers, in the order of lists on the command line.
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

/// Returns the importer with the name `name`; None if there is none.
#[must_use]
pub fn importer(name: &str) -> Option<&'static Importer> {
    IMPORTERS.iter().find(|importer| importer.name == name)
}
