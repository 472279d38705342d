//! Reader and writer of case files (JSON Lines, one case on each line). Both hold one case in memory at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::Case;
use crate::case_schema;
use crate::io::atomic::AtomicFile;
use crate::io::json_lines::other_format;
use crate::problem::{Problem, Problems};

/// Largest length of a line of a case file in bytes (64 MiB), line end included. It bounds the memory that a file which
/// is no case file can take.
pub const MAX_LINE_BYTES: u64 = 64 << 20;

/// Bytes read at once. The first of them tell whether the file has another format.
const START: usize = 64 << 10;

/// Iterator over the cases of a file. It yields the case of each line, or all problems of that line.
///
/// Reading goes on after a faulty line, so one pass finds the problems of all lines. The iterator ends early only when
/// the file cannot be read further or a line exceeds [`MAX_LINE_BYTES`]; that problem is then the last item.
pub struct CaseReader {
    path: PathBuf,
    reader: BufReader<File>,
    row: usize,
    done: bool,
}

impl CaseReader {
    /// Opens a case file for reading line by line.
    ///
    /// # Errors
    /// When the file cannot be opened or read, or starts like a file of another format, such as a JSON array.
    pub fn open(path: &Path) -> Result<Self, Problems> {
        let unreadable = |error: io::Error| unreadable(path, &error);
        let mut reader = BufReader::with_capacity(START, File::open(path).map_err(unreadable)?);
        if let Some((what, advice)) = other_format(reader.fill_buf().map_err(unreadable)?) {
            return Err(Problem::new(path, what, advice).into());
        }
        Ok(Self { path: path.to_owned(), reader, row: 0, done: false })
    }

    /// Returns the number of the line read last, counted from 1; 0 before the first line. Once the iterator has
    /// returned `None` at the end of the file, this is one more than the number of lines.
    #[must_use]
    pub fn row(&self) -> usize {
        self.row
    }

    fn problem(&self, what: impl Into<String>, advice: impl Into<String>) -> Problem {
        Problem::new(&self.path, what, advice).at_row(self.row)
    }

    fn parse(&self, line: &[u8]) -> Result<Case, Problems> {
        let text = std::str::from_utf8(line).map_err(|error| {
            self.problem("is not UTF-8", "save the file as UTF-8").at_column(error.valid_up_to() + 1)
        })?;
        let text = if self.row == 1 { text.trim_start_matches('\u{feff}') } else { text };
        // `serde_json` would report an error at the line end as one of the next line.
        let text = text.trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Err(self.problem("the line is empty", "remove it").into());
        }
        let value: Value = serde_json::from_str(text).map_err(|error| {
            self.problem(format!("is not JSON: {}", message(&error)), "write one complete JSON object on each line")
                .at_column(error.column())
        })?;
        let faults = case_schema::faults(&value);
        if !faults.is_empty() {
            let problem = |fault: case_schema::Fault| self.problem(fault.what, fault.advice).in_field(fault.field);
            return Err(Problems(faults.into_iter().map(problem).collect()));
        }
        // Parses the text instead of `value`, which no longer shows duplicate keys.
        serde_json::from_str(text)
            .map_err(|error| self.problem(message(&error), "correct or remove it").at_column(error.column()).into())
    }
}

impl Iterator for CaseReader {
    type Item = Result<Case, Problems>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        self.row += 1;
        match read {
            Ok(0) => {
                self.done = true;
                None
            }
            Ok(_) if line.len() as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') => {
                self.done = true;
                let what = format!("the line is longer than {MAX_LINE_BYTES} bytes");
                Some(Err(self.problem(what, "check that this is a case file, and write one case on each line").into()))
            }
            Ok(_) => Some(self.parse(&line)),
            Err(error) => {
                self.done = true;
                Some(Err(unreadable(&self.path, &error)))
            }
        }
    }
}

/// Writer of a case file. It writes to a temporary file in the same folder, and [`CaseWriter::finish`] renames that
/// file to the target path. When dropped before that, it removes the temporary file and leaves the target unchanged.
pub struct CaseWriter {
    path: PathBuf,
    file: AtomicFile,
}

impl CaseWriter {
    /// Creates the temporary file from which `path` will be made. The folder of `path` must exist.
    ///
    /// # Errors
    /// When the file cannot be created in the folder of `path`.
    pub fn create(path: &Path) -> Result<Self, Problems> {
        let file = AtomicFile::create(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends a case as one line to the temporary file.
    ///
    /// # Errors
    /// When the line cannot be written; the file may then end with a part of it, so the writer should be dropped.
    pub fn write(&mut self, case: &Case) -> Result<(), Problems> {
        let written = serde_json::to_writer(&mut self.file, case).map_err(io::Error::from);
        written.and_then(|()| self.file.write_all(b"\n")).map_err(|error| unwritable(&self.path, &error))
    }

    /// Syncs the temporary file to disk and renames it to the target path; an existing file is replaced.
    ///
    /// # Errors
    /// When writing out, syncing or renaming fails; the target is then unchanged and the temporary file removed. Also
    /// when the folder cannot be synced after the rename; the target is then replaced.
    pub fn finish(self) -> Result<(), Problems> {
        let Self { path, file } = self;
        file.commit().map_err(|error| unwritable(&path, &error))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problems {
    Problem::new(path, format!("cannot be read: {error}"), "check that the file exists and may be read").into()
}

fn unwritable(path: &Path, error: &io::Error) -> Problems {
    Problem::new(path, format!("cannot be written: {error}"), "check the folder's permissions and free space").into()
}

/// Message of a `serde_json` error without its line and column, because these count inside one line of the file.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map_or(text.clone(), str::to_owned)
}
