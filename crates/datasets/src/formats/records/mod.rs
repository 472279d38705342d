//! Readers of tables, JSON and Parquet files, one record at a time. A byte order mark and CRLF change nothing.

mod delimited;
mod json_array;
mod json_lines;
mod limited;
mod parquet;

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use stepwise_data::io::encoding::other_kind;
use stepwise_data::problem::{Problem, Problems};

pub(crate) use super::record::Records;

use super::record::Record;

/// Opens a file by its extension: `csv`, `tsv`, `jsonl`, `json` (an array of objects, or JSON Lines) or `parquet`.
///
/// # Errors
/// When the file cannot be opened, has another encoding or extension, or a table has no header or a column twice.
pub(crate) fn open(path: &Path) -> Result<Records, Problems> {
    let place: Arc<Path> = Arc::from(path);
    if extension(path) == "parquet" {
        return parquet::read(place);
    }
    let reader = start(path)?;
    match extension(path).as_str() {
        "csv" => delimited::read(place, reader, b','),
        "tsv" => delimited::read(place, reader, b'\t'),
        "jsonl" | "ndjson" => Ok(json_lines::read(place, reader)),
        "json" => json(place, reader),
        other => {
            let what = format!("the extension {other:?} is not known");
            Err(Problem::new(path, what, "give a file that ends with .csv, .tsv, .jsonl, .json or .parquet").into())
        }
    }
}

/// Returns the first record of a file; None when it cannot be read as records of objects.
pub(crate) fn first_record(path: &Path) -> Option<Record> {
    open(path).ok()?.next()?.ok()
}

/// Returns the fields of the first record of a file, as [`first_record`] reads it.
pub(crate) fn first(path: &Path) -> Option<Map<String, Value>> {
    first_record(path).map(|record| record.fields)
}

/// Returns the sorted files of a folder, not of the folders in it, with one of the extensions. A file is its own list.
pub(crate) fn files(source: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let fits = |path: &PathBuf| path.is_file() && extensions.contains(&extension(path).as_str());
    if source.is_file() {
        return Some(source.to_owned()).filter(fits).into_iter().collect();
    }
    let entries = std::fs::read_dir(source).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(fits).collect();
    found.sort();
    found
}

/// Returns the extension of a path in lower case; empty when there is none.
pub(crate) fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// Opens a file behind its byte order mark.
fn start(path: &Path) -> Result<BufReader<File>, Problems> {
    let unreadable = |error: std::io::Error| {
        Problem::new(path, format!("cannot be read: {error}"), "check that the file exists and may be read")
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut head = [0u8; 16];
    let length = file.read(&mut head).map_err(unreadable)?;
    if let Some(kind) = other_kind(&head[..length]) {
        return Err(Problem::new(path, format!("is {kind}, not UTF-8 text"), "save it as UTF-8 text").into());
    }
    let mark = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    file.seek(std::io::SeekFrom::Start(mark)).map_err(unreadable)?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

fn json(place: Arc<Path>, mut reader: BufReader<File>) -> Result<Records, Problems> {
    let head =
        reader.fill_buf().map_err(|error| Problem::new(&*place, format!("cannot be read: {error}"), "try again"))?;
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
    match first {
        Some(b'[') => Ok(json_array::read(place, reader)),
        Some(b'{') => Ok(json_lines::read(place, reader)),
        _ => {
            Err(Problem::new(&*place, "is no JSON array of objects", "save it as a JSON array or as JSON Lines").into())
        }
    }
}
