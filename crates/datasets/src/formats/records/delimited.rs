//! Tables with a header whose cells are separated by commas or tabs and may be quoted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use serde_json::{Map, Value};
use stepwise_data::problem::{Problem, Problems};

use super::super::record::{Place, Record, Records};
use super::limited::limited;

/// Separators that programs write, each with its name and what to do where a file of another extension has it.
const SEPARATORS: [(char, &str, &str); 4] = [
    (';', "semicolons", "separate the cells by commas, or by tabs in a file that ends with .tsv"),
    ('\t', "tabs", "give the file the extension .tsv"),
    (',', "commas", "give the file the extension .csv"),
    ('|', "bars", "separate the cells by commas, or by tabs in a file that ends with .tsv"),
];

/// Reads the header and returns the rows after it. The row of a record is the line on which it begins.
pub(super) fn read(file: Arc<Path>, reader: BufReader<File>, separator: u8) -> Result<Records, Problems> {
    let (reader, allowance) = limited(reader);
    let mut table = ReaderBuilder::new().delimiter(separator).from_reader(reader);
    let names: Vec<String> = match table.headers() {
        Ok(names) => names.iter().map(|name| name.trim().to_owned()).collect(),
        Err(error) => return Err(problem(&file, &error, 1)),
    };
    if let [only] = &names[..]
        && let Some((_, words, advice)) =
            SEPARATORS.iter().find(|(other, ..)| *other != char::from(separator) && only.contains(*other))
    {
        let what = format!("the header is one cell, with {words} in it: {only:?}");
        return Err(Problem::new(&*file, what, *advice).at_row(1).into());
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| !name.is_empty() && !seen.insert(name.as_str())) {
        let what = format!("the column {twice:?} is there twice");
        return Err(Problem::new(&*file, what, "give each column its own name").at_row(1).into());
    }
    let (mut row, mut ended) = (ByteRecord::new(), names.iter().all(String::is_empty));
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        allowance.renew();
        let line = usize::try_from(table.position().line()).unwrap_or(usize::MAX);
        match table.read_byte_record(&mut row) {
            Ok(false) => None,
            Ok(true) => {
                let begin = row.position().map_or(line, |position| position.line() as usize);
                Some(record(Place { file: Arc::clone(&file), row: begin }, &names, &row))
            }
            Err(error) => {
                // After rows with too many or too few cells the reader goes on; nothing else can be mended.
                ended = !matches!(error.kind(), ErrorKind::UnequalLengths { .. });
                Some(Err(problem(&file, &error, line)))
            }
        }
    })))
}

fn record(place: Place, names: &[String], row: &ByteRecord) -> Result<Record, Problems> {
    let mut fields = Map::new();
    for (name, cell) in names.iter().zip(row) {
        let text = std::str::from_utf8(cell).map_err(|error| {
            let byte = cell.get(error.valid_up_to()).copied().unwrap_or_default();
            place.problem(name, format!("is not UTF-8: byte 0x{byte:02X}"), "save the file as UTF-8 text")
        })?;
        fields.insert(name.clone(), Value::String(text.to_owned()));
    }
    Ok(Record { place, fields, bytes: BTreeMap::new() })
}

fn problem(file: &Path, error: &csv::Error, line: usize) -> Problems {
    let (row, what) = match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let row = pos.as_ref().map_or(line, |place| place.line() as usize);
            (row, format!("has {len} cells, but the header has {expected_len}"))
        }
        _ => (line, format!("cannot be read: {error}")),
    };
    Problem::new(file, what, "quote cells that hold separators or line ends").at_row(row).into()
}
