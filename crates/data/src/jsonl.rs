//! Case files, one case a line, read and written as streams.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::Case;
use crate::case_schema;
use crate::io::atomic::AtomicFile;
use crate::problem::{Problem, Problems};

/// No line of a case file may be longer, in bytes.
pub const MAX_LINE_BYTES: u64 = 64 << 20;

/// Reads cases one by one; yields, for each line, the case or all that is wrong with the line.
///
/// After a fault the next line is read as usual, so one pass finds the faults of all lines. Only when the file itself
/// cannot be read any further does it end early, with that as its last problem.
pub struct CaseReader {
    path: PathBuf,
    reader: BufReader<File>,
    row: usize,
    done: bool,
}

impl CaseReader {
    /// Opens a case file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Problems> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), row: 0, done: false })
    }

    /// The line last read, counted from 1.
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
        // Without its end, at which a fault would be said to stand on the next line.
        let text = text.trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Err(self.problem("the line is empty", "remove it").into());
        }
        let value: Value = serde_json::from_str(text).map_err(|error| {
            self.problem(format!("is not JSON: {}", message(&error)), "one complete JSON object a line")
                .at_column(error.column())
        })?;
        let faults = case_schema::faults(&value);
        if !faults.is_empty() {
            let problem = |fault: case_schema::Fault| self.problem(fault.what, fault.advice).in_field(fault.field);
            return Err(Problems(faults.into_iter().map(problem).collect()));
        }
        // From the text again, where a key that stands twice is still seen.
        serde_json::from_str(text)
            .map_err(|error| self.problem(message(&error), "mend or remove it").at_column(error.column()).into())
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
                Some(Err(self.problem(what, "is it a case file? Put one case on each line").into()))
            }
            Ok(_) => Some(self.parse(&line)),
            Err(error) => {
                self.done = true;
                Some(Err(unreadable(&self.path, &error)))
            }
        }
    }
}

/// Writes cases beside `path`; [`CaseWriter::finish`] puts the file into its place. Dropped without that, it leaves nothing.
pub struct CaseWriter {
    path: PathBuf,
    file: AtomicFile,
}

impl CaseWriter {
    /// Starts a case file.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create(path: &Path) -> Result<Self, Problems> {
        let file = AtomicFile::create(path).map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends a case.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, case: &Case) -> Result<(), Problems> {
        let written = serde_json::to_writer(&mut self.file, case).map_err(io::Error::from);
        written.and_then(|()| self.file.write_all(b"\n")).map_err(|error| unwritable(&self.path, &error))
    }

    /// Syncs the file and renames it into its place.
    ///
    /// # Errors
    /// When that fails; what was there before is then untouched.
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

/// What `serde_json` says, without its line and column, which count inside one line.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map_or(text.clone(), str::to_owned)
}
