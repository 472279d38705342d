//! Outcomes as JSON Lines: written beside, synced, renamed; every problem of a file reported at once.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use stepwise_data::io::atomic::AtomicFile;

use crate::outcome::Outcome;

/// Why outcomes could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("{}: {source} -> check that it is there, may be read and written, and that the disk has room", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Some lines are not outcomes.
    #[error("{}", problems.join("\n"))]
    Lines {
        /// One message a line, each with file and row.
        problems: Vec<String>,
    },
}

/// Outcomes kept as they come, in a file that only grows: a run cut short loses no more than the batch it was asking.
///
/// A batch ends with an empty line, and one without it, or with a line that is no outcome, is passed over as a whole: a
/// model's answers depend in their last digits on what it is asked beside, so that a run that goes on in the same batches
/// equals one that was never cut short.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// Ends a batch of which nothing is taken.
const TORN: &[u8] = b"torn\n\n";

impl Journal {
    /// Opens a journal, or begins one, and gives what it holds. A batch that is not whole - torn when a process ended, or of
    /// another version - is passed over: what it said is asked again.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn open(path: &Path) -> Result<(Self, Vec<Outcome>), StoreError> {
        let io_error = |source| StoreError::Io { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io_error)?;
        }
        let mut file = File::options().read(true).append(true).create(true).open(path).map_err(io_error)?;
        let (mut held, mut batch, mut whole, mut ended) = (Vec::new(), Vec::new(), true, true);
        for line in BufReader::new(&mut file).split(b'\n') {
            let line = line.map_err(io_error)?;
            ended = line.is_empty();
            if ended {
                held.extend(std::mem::take(&mut batch).into_iter().filter(|_| whole));
                whole = true;
                continue;
            }
            match std::str::from_utf8(&line).ok().and_then(|line| parse(line).ok()) {
                Some(outcome) => batch.push(outcome),
                None => whole = false,
            }
        }
        if !ended {
            // What follows must not be taken for the rest of it.
            file.write_all(TORN).map_err(io_error)?;
        }
        Ok((Self { path: path.to_owned(), file }, held))
    }

    /// Keeps a batch of outcomes: they are with the operating system when this returns.
    ///
    /// # Errors
    /// When the file system says no.
    pub fn keep(&mut self, outcomes: &[Outcome]) -> Result<(), StoreError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let io_error = |source| StoreError::Io { path: self.path.clone(), source };
        let mut lines = Vec::new();
        for outcome in outcomes {
            serde_json::to_writer(&mut lines, outcome).map_err(|error| io_error(error.into()))?;
            lines.push(b'\n');
        }
        lines.push(b'\n');
        self.file.write_all(&lines).map_err(io_error)
    }
}

/// Writes all outcomes, beside the file's place, synced and renamed.
///
/// # Errors
/// When the file system says no; the file at `path` is then what it was.
pub fn write(path: &Path, outcomes: &[Outcome]) -> Result<(), StoreError> {
    let io_error = |source| StoreError::Io { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io_error)?;
    }
    let mut file = AtomicFile::create(path).map_err(io_error)?;
    for outcome in outcomes {
        serde_json::to_writer(&mut file, outcome).map_err(|error| io_error(error.into()))?;
        file.write_all(b"\n").map_err(io_error)?;
    }
    file.commit().map_err(io_error)
}

/// Reads all outcomes.
///
/// # Errors
/// When the file cannot be read, or with all lines that are not outcomes.
pub fn read(path: &Path) -> Result<Vec<Outcome>, StoreError> {
    lines(path, parse)
}

/// One line of our own.
pub(crate) fn parse(line: &str) -> Result<Outcome, Vec<String>> {
    match serde_json::from_str::<Outcome>(line) {
        Ok(outcome) if !(1..=4).contains(&outcome.stage) => {
            Err(vec![format!("stage: is {} -> write 1 to 4", outcome.stage)])
        }
        Ok(outcome) if !(0.0..=1.0).contains(&outcome.chance) => {
            Err(vec![format!("chance: is {} -> write a share from 0 to 1", outcome.chance)])
        }
        Ok(outcome) => Ok(outcome),
        Err(error) => Err(vec![format!("{} -> write one outcome a line", within_line(&error))]),
    }
}

/// What is wrong with a line of JSON. Its parser counts lines from the line's own beginning, where file and row stand before.
pub(crate) fn within_line(error: &serde_json::Error) -> String {
    error.to_string().replacen("line 1 column", "column", 1)
}

/// Reads every line that is not empty; what `parse` finds wrong gets file and row before it.
pub(crate) fn lines<T>(
    path: &Path,
    mut parse: impl FnMut(&str) -> Result<T, Vec<String>>,
) -> Result<Vec<T>, StoreError> {
    let io_error = |source| StoreError::Io { path: path.to_owned(), source };
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (row, line) in BufReader::new(File::open(path).map_err(io_error)?).lines().enumerate() {
        let line = line.map_err(io_error)?;
        if line.trim().is_empty() {
            continue;
        }
        match parse(&line) {
            Ok(read) => found.push(read),
            Err(all) => problems.extend(all.into_iter().map(|what| format!("{}:{}: {what}", path.display(), row + 1))),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(StoreError::Lines { problems }) }
}
