//! Import of public layouts and of users' own tables: one file a format, and shared code that turns rows into cases.

mod answers;
mod assemble;
mod case_records;
mod crossing;
mod decide;
mod detect;
mod entry;
mod format;
mod groups;
mod journal;
mod kept;
mod map;
mod outline;
mod pictures;
mod pipeline;
mod record;
mod records;
mod region_mask;
mod regions;
mod repeated;
mod report;
mod sets;
mod tally;
#[cfg(test)]
mod tests;
mod turned;

use std::path::Path;

pub use case_records::CASES;
pub use detect::{Detected, detect};
pub use format::{Columns, Format, FormatOptions, Mark, SplitChoice};
pub use report::{Flow, FormatReport, REPORT_SCHEMA, SplitReport};
pub(crate) use report::{REPORT_FILE, write_report};
pub use tally::{Counted, Tally};

use crate::import::ImportError;

/// All formats, in the order of lists on the command line.
pub const FORMATS: &[&dyn Format] = sets::FORMATS;

/// Returns the format with the name `name`; None if there is none.
#[must_use]
pub fn format(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.name() == name)
}

/// Imports the data set in `source` by `format` into the new folder `out`: `images/`, `import.json` and `cases.jsonl`.
///
/// # Errors
/// When the source or the category map cannot be read, rows are faulty (without [`FormatOptions::keep_going`]), no case
/// is left, `out` holds a case file or files that no import wrote, or a file cannot be written. No case file is written
/// then.
pub fn import_format(
    format: &dyn Format,
    source: &Path,
    out: &Path,
    options: &FormatOptions,
) -> Result<FormatReport, ImportError> {
    pipeline::import(format, source, out, options, &|_| {})
}

/// Imports like [`import_format`], and calls `progress` with the number of rows read so far after each row.
///
/// # Errors
/// As for [`import_format`].
pub fn import_format_observed(
    format: &dyn Format,
    source: &Path,
    out: &Path,
    options: &FormatOptions,
    progress: &dyn Fn(usize),
) -> Result<FormatReport, ImportError> {
    pipeline::import(format, source, out, options, progress)
}

/// Completes the case records of `source`, a JSON Lines file or a folder with `cases.jsonl`: ids, digests, sizes, hashes,
/// boxes of masks, and a split where no record has a side. Writes them with their images and masks to the new folder
/// `out`, with `import.json`.
///
/// # Errors
/// When the source cannot be read, a record is faulty (without [`FormatOptions::keep_going`]) or states another digest
/// or size than its file has, no case is left, `out` holds a case file or files that no import wrote, or a file cannot be
/// written.
pub fn import_cases(source: &Path, out: &Path, options: &FormatOptions) -> Result<FormatReport, ImportError> {
    case_records::import(source, out, options)
}
