//! Parquet files, one record at a time: plain and dictionary encodings, without compression or compressed by Snappy, gzip
//! or Zstandard. Structures and lists of any depth become objects and arrays; bytes that are no text are kept apart.

mod body;
mod column;
mod footer;
mod hybrid;
mod page;
mod schema;
mod snappy;
#[cfg(test)]
mod tests;
mod thrift;
mod values;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use stepwise_data::problem::{Problem, Problems};

use self::column::{ColumnReader, Entry};
use self::footer::Footer;
use self::schema::{Column, Step};
use self::values::Leaf;
use super::super::record::{Place, Record, Records};

/// Longest list in a record.
const LONGEST_LIST: usize = 1 << 16;

/// What to do about a file that cannot be read.
const ADVICE: &str = "download the file again, or write it again uncompressed or with Snappy, gzip or Zstandard";

/// Opens a file. The row of a record is its number in the file, from 1.
///
/// # Errors
/// When the file cannot be opened, or its footer is damaged or states what the file cannot hold.
pub(super) fn read(file: Arc<Path>) -> Result<Records, Problems> {
    let failed = |what: String| Problems::from(Problem::new(&*file, what, ADVICE));
    let unreadable = |error: std::io::Error| failed(format!("cannot be read: {error}"));
    let footer = Footer::read(&mut File::open(&file).map_err(unreadable)?).map_err(failed)?;
    Ok(Box::new(Rows { file, footer, group: 0, columns: Vec::new(), left: 0, row: 0, ended: false }))
}

/// Records of an opened file.
struct Rows {
    file: Arc<Path>,
    footer: Footer,
    /// Number of row groups that were begun.
    group: usize,
    /// Readers of the columns of the present row group.
    columns: Vec<ColumnReader>,
    /// Rows of the present group that are left.
    left: u64,
    row: usize,
    ended: bool,
}

impl Iterator for Rows {
    type Item = Result<Record, Problems>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.row += 1;
        let place = Place { file: Arc::clone(&self.file), row: self.row };
        match self.record(place.clone()) {
            Ok(record) => record,
            Err((field, what)) => {
                // Values have no place of their own, so nothing after a damaged one can be found.
                self.ended = true;
                Some(Err(place.problem(&field, what, ADVICE)))
            }
        }
    }
}

impl Rows {
    /// Returns the next record, or a record whose text is wrong as a problem; None after the last one.
    fn record(&mut self, place: Place) -> Result<Option<Result<Record, Problems>>, (String, String)> {
        while self.left == 0 {
            if !self.begin()? {
                return Ok(None);
            }
        }
        self.left -= 1;
        let mut made = Made { root: Value::Object(Map::new()), bytes: BTreeMap::new(), undecodable: None };
        for (reader, column) in self.columns.iter_mut().zip(&self.footer.columns) {
            let failed = |error: std::io::Error| (column.name.clone(), format!("cannot be read: {error}"));
            let mut indices = vec![0; usize::from(column.repetition) + 1];
            loop {
                let entry = reader.next().map_err(failed)?;
                made.add(column, entry, &mut indices).map_err(|what| (column.name.clone(), what))?;
                if !reader.continues().map_err(failed)? {
                    break;
                }
            }
        }
        let Value::Object(fields) = made.root else { return Ok(None) };
        Ok(Some(match made.undecodable {
            None => Ok(Record { place, fields, bytes: made.bytes }),
            Some((field, byte)) => {
                Err(place.problem(&field, format!("is not UTF-8: byte 0x{byte:02X}"), "write the column as UTF-8 text"))
            }
        }))
    }

    /// Opens the columns of the next row group. Returns false when there is none.
    fn begin(&mut self) -> Result<bool, (String, String)> {
        let Some(group) = self.footer.groups.get(self.group) else { return Ok(false) };
        self.group += 1;
        self.left = group.rows;
        let mut files = std::mem::take(&mut self.columns).into_iter().map(ColumnReader::into_file);
        for (column, chunk) in self.footer.columns.iter().zip(&group.chunks) {
            let file = match files.next() {
                Some(file) => file,
                None => BufReader::with_capacity(
                    1 << 14,
                    File::open(&self.file)
                        .map_err(|error| (column.name.clone(), format!("cannot be read: {error}")))?,
                ),
            };
            self.columns.push(ColumnReader::new(file, column.clone(), chunk));
        }
        Ok(true)
    }
}

/// A record that is being made.
struct Made {
    root: Value,
    bytes: BTreeMap<String, Arc<[u8]>>,
    /// First text that is not UTF-8: its field and its first wrong byte.
    undecodable: Option<(String, u8)>,
}

impl Made {
    /// Adds a value of a column. `indices` are the indices of the lists that the column is in, by repetition level.
    fn add(&mut self, column: &Column, entry: Entry, indices: &mut [usize]) -> Result<(), String> {
        let level = usize::from(entry.repetition);
        if level > 0 {
            indices[level] += 1;
            indices[level + 1..].fill(0);
            if indices[level] >= LONGEST_LIST {
                return Err(format!("a list is longer than {LONGEST_LIST}"));
            }
        }
        let mut at = &mut self.root;
        let mut name = String::new();
        for step in &column.steps {
            match step {
                Step::Field(field) => {
                    if !at.is_object() {
                        *at = Value::Object(Map::new());
                    }
                    let Value::Object(fields) = at else { return Ok(()) };
                    at = fields.entry(field.clone()).or_insert(Value::Null);
                    name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                }
                Step::Optional(least) if entry.definition < *least => return Ok(()),
                Step::Optional(_) => {}
                Step::List { level, definition } => {
                    if !at.is_array() {
                        *at = Value::Array(Vec::new());
                    }
                    let Value::Array(list) = at else { return Ok(()) };
                    if entry.definition < *definition {
                        return Ok(());
                    }
                    let index = indices[usize::from(*level)];
                    if list.len() <= index {
                        list.resize(index + 1, Value::Null);
                    }
                    at = &mut list[index];
                    name = format!("{name}.{index}");
                }
            }
        }
        match entry.leaf {
            None => {}
            Some(Leaf::Bool(flag)) => *at = flag.into(),
            Some(Leaf::Int(number)) => *at = number.into(),
            Some(Leaf::Float(number)) => *at = number.into(),
            Some(Leaf::Bytes(bytes)) => match String::from_utf8(bytes) {
                // Some writers do not mark texts. Images are never UTF-8.
                Ok(text) => *at = text.into(),
                Err(error) if column.is_text => {
                    let place = error.utf8_error().valid_up_to();
                    let byte = error.as_bytes().get(place).copied().unwrap_or_default();
                    self.undecodable.get_or_insert((name, byte));
                }
                Err(error) => {
                    self.bytes.insert(name, error.into_bytes().into());
                }
            },
        }
        Ok(())
    }
}
