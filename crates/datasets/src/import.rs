//! Options, summary and errors of an import.

use std::path::Path;

use stepwise_data::image::ImageError;
use stepwise_data::problem::{Problem, Problems};

use crate::formats::{FormatReport, Tally};

/// Options of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Seed of all random draws: the split (where the source has none), the order of options, and the choice of
    /// questions. Equal seeds give equal cases.
    pub seed: u64,
}

/// Summary of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportReport {
    /// Number of cases written.
    pub cases: usize,
    /// Number of questions written.
    pub items: usize,
    /// Number of regions written.
    pub regions: usize,
    /// Notes on what was left out or moved to another side of the split, and why; one line each. Empty when
    /// nothing was.
    pub skipped: Vec<String>,
    /// Warnings about images with few grey levels and about boxes that are too small for an answer in percent, each as a line;
    /// empty when there are none.
    pub warnings: Vec<String>,
    /// Report as it is printed and written to `import.json`.
    pub report: FormatReport,
}

/// What an import leaves out.
#[derive(Debug, Default)]
pub(crate) struct Skipped {
    /// Notes, one line each.
    pub(crate) lines: Vec<String>,
    /// Rows that are left out, by reason.
    pub(crate) rows: Tally,
    /// Parts of rows that are left out, such as a box, by reason.
    pub(crate) parts: Tally,
}

impl Skipped {
    /// Notes and counts a row that is left out.
    pub(crate) fn row(&mut self, place: impl Into<String>, reason: impl Into<String>, line: String) {
        self.rows.add(reason, place);
        self.lines.push(line);
    }

    /// Notes and counts a part of a row that is left out.
    pub(crate) fn part(&mut self, place: impl Into<String>, reason: impl Into<String>, line: String) {
        self.parts.add(reason, place);
        self.lines.push(line);
    }
}

/// Refuses a source that does not exist.
///
/// # Errors
/// When there is no file or folder at `source`.
pub(crate) fn check_source(source: &Path) -> Result<(), Problems> {
    match source.exists() {
        true => Ok(()),
        false => Err(Problem::new(source, "does not exist", "give the folder or file of the data set").into()),
    }
}

/// Errors of an import. No case file was written; images and masks may have been written.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Annotations contradict themselves or their images, or a file cannot be read or written.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// An image or mask cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl From<Problem> for ImportError {
    fn from(problem: Problem) -> Self {
        Self::Problems(problem.into())
    }
}
