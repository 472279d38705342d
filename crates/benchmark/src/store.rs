//! Outcomes in JSON Lines files: a journal that grows during a run, and whole files that are replaced atomically.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use stepwise_data::io::atomic::AtomicFile;
use stepwise_data::io::json_lines::other_format;
use stepwise_data::problem_groups::{self, Located};

use crate::outcome::Outcome;

/// Why outcomes could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system reported an error.
    #[error("{}: {source} -> check that the path exists and is readable and writable, and that the disk has space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the file system.
        source: io::Error,
    },
    /// The file is no JSON Lines, or some lines are not valid outcomes.
    #[error("{}", problems.join("\n"))]
    Lines {
        /// Messages, each with file and row; equal problems of many rows are one message.
        problems: Vec<String>,
    },
}

/// File of outcomes that is only appended to, so that an interrupted run loses at most the batch in progress.
///
/// An empty line ends every batch. A batch without this line, or with a line that is not an outcome, is ignored as a
/// whole. The last digits of a model's scores depend on the other queries of the batch, so a resumed run equals an
/// uninterrupted run only if it repeats whole batches.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// Closes an incomplete batch, so that it is ignored.
const TORN: &[u8] = b"torn\n\n";

impl Journal {
    /// Opens the journal at `path`, or creates it with its folders, and returns it with the outcomes of its complete
    /// batches. A batch that is incomplete or has a line that this version cannot read is ignored, so its questions are
    /// asked again. An incomplete last batch is closed in the file.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder cannot be created, or the file cannot be created, read or written. A new
    /// folder or file stays.
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
            // The next batch must not be read as the rest of the incomplete one.
            file.write_all(TORN).map_err(io_error)?;
        }
        Ok((Self { path: path.to_owned(), file }, held))
    }

    /// Appends the outcomes as one batch; nothing is written for an empty slice. The operating system has them when
    /// this returns; they are not synced to the disk.
    ///
    /// # Errors
    /// [`StoreError::Io`] when an outcome cannot be written as JSON or the file cannot be written. The file may then
    /// end in an incomplete batch, which [`Journal::open`] ignores.
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

/// Writes all outcomes to `path`, one JSON line each, and creates the parent folder where it is missing. An existing
/// file is replaced atomically.
///
/// # Errors
/// [`StoreError::Io`] when the folder or the file cannot be created, or an outcome cannot be written; an existing file
/// at `path` is then unchanged, and a new folder stays.
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

/// Reads all outcomes of a JSON Lines file, in the order of its lines; empty lines are ignored. Repeated outcomes are
/// kept.
///
/// # Errors
/// [`StoreError::Io`] when the file cannot be read. [`StoreError::Lines`] when it has another format, such as a
/// compressed one, and otherwise with every line that is no outcome, or whose stage or chance is out of range.
pub fn read(path: &Path) -> Result<Vec<Outcome>, StoreError> {
    lines(path, parse)
}

/// Parses one line of the format that [`write`] writes.
///
/// # Errors
/// One message when the line is no outcome as JSON, its stage is not 1 to 4, or its chance is not 0 to 1.
pub(crate) fn parse(line: &str) -> Result<Outcome, Vec<String>> {
    match serde_json::from_str::<Outcome>(line) {
        Ok(outcome) if !(1..=4).contains(&outcome.stage) => {
            Err(vec![format!("stage: is {} -> write 1 to 4", outcome.stage)])
        }
        Ok(outcome) if !(0.0..=1.0).contains(&outcome.chance) => {
            Err(vec![format!("chance: is {} -> write a share from 0 to 1", outcome.chance)])
        }
        Ok(outcome) => Ok(outcome),
        Err(error) => Err(vec![format!("{} -> write one outcome per line", within_line(&error))]),
    }
}

/// Returns the message of a JSON error without the parser's line number, which is always 1; the caller adds file and
/// row.
pub(crate) fn within_line(error: &serde_json::Error) -> String {
    error.to_string().replacen("line 1 column", "column", 1)
}

/// Reads the file at `path` and passes every line that is not empty to `parse`. Returns what `parse` returned, in
/// order; a byte order mark at the start is left out.
///
/// # Errors
/// [`StoreError::Io`] when the file cannot be read or is not UTF-8. [`StoreError::Lines`] when it has another format,
/// and otherwise with all messages of `parse`, each with file and row; equal messages become one.
pub(crate) fn lines<T>(
    path: &Path,
    mut parse: impl FnMut(&str) -> Result<T, Vec<String>>,
) -> Result<Vec<T>, StoreError> {
    let io_error = |source| StoreError::Io { path: path.to_owned(), source };
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut reader = BufReader::with_capacity(64 << 10, File::open(path).map_err(io_error)?);
    if let Some((what, advice)) = other_format(reader.fill_buf().map_err(io_error)?) {
        return Err(StoreError::Lines { problems: vec![format!("{}: {what} -> {advice}", path.display())] });
    }
    for (row, line) in reader.lines().enumerate() {
        let line = line.map_err(io_error)?;
        let line = if row == 0 { line.trim_start_matches('\u{FEFF}') } else { &line };
        if line.trim().is_empty() {
            continue;
        }
        let located = |text| Located { place: format!("{}:{}", path.display(), row + 1), row: Some(row + 1), text };
        match parse(line) {
            Ok(read) => found.push(read),
            Err(all) => problems.extend(all.into_iter().map(located)),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(StoreError::Lines { problems: problem_groups::lines(&problems) }) }
}
