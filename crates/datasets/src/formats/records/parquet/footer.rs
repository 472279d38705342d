//! Footer of a Parquet file: its columns with their places in the record, and where their chunks are.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use super::body::Codec;
use super::schema::{Column, columns};
use super::thrift::{self, Value};

/// Largest footer in bytes (16 MiB).
const LARGEST: u64 = 16 << 20;

/// Most rows for each byte of a file. Rows beyond are a hostile claim.
const ROWS_PER_BYTE: u64 = 8;

/// Largest ratio of unpacked to packed bytes of a column chunk above [`UNPACKED`].
const LARGEST_RATIO: u64 = 100;

/// Unpacked bytes of a column chunk up to which the ratio does not matter (256 MiB).
const UNPACKED: u64 = 256 << 20;

/// What a footer says.
#[derive(Debug)]
pub(super) struct Footer {
    /// Columns in the order of the file.
    pub(super) columns: Vec<Column>,
    /// Row groups in order.
    pub(super) groups: Vec<Group>,
}

/// Rows that are stored together.
#[derive(Debug)]
pub(super) struct Group {
    /// Number of rows.
    pub(super) rows: u64,
    /// Chunks, one a column.
    pub(super) chunks: Vec<Chunk>,
}

/// Pages of one column in a row group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    /// Place of the first page in the file.
    pub(super) start: u64,
    /// Length of the pages in the file, with their heads.
    pub(super) length: u64,
    /// Length of all pages when they are unpacked, with their heads.
    pub(super) unpacked: u64,
    /// Compression.
    pub(super) codec: Codec,
    /// Number of values, nulls included.
    pub(super) values: u64,
}

impl Footer {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// What is wrong with the file: it is no Parquet file, encrypted, cut off, damaged, or compressed by an unknown codec.
    pub(super) fn read(file: &mut File) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot be read: {error}");
        let size = file.metadata().map_err(failed)?.len();
        let mut ends = [0; 12];
        file.read_exact(&mut ends[..4]).map_err(|_| "is no Parquet file: it is empty".to_owned())?;
        if &ends[..4] == b"PARE" {
            return Err("is an encrypted Parquet file".into());
        }
        if &ends[..4] != b"PAR1" {
            return Err("is no Parquet file: it does not begin with PAR1".into());
        }
        if size < 12 {
            return Err("the Parquet file is cut off".into());
        }
        file.seek(SeekFrom::End(-8)).map_err(failed)?;
        file.read_exact(&mut ends[4..]).map_err(failed)?;
        if &ends[8..] != b"PAR1" {
            return Err("the Parquet file is cut off: it does not end with PAR1".into());
        }
        let length = u64::from(u32::from_le_bytes([ends[4], ends[5], ends[6], ends[7]]));
        if length + 12 > size || length > LARGEST {
            return Err(format!("the Parquet file is damaged: its footer states a length of {length} bytes"));
        }
        let start = size - 8 - length;
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let value = thrift::read(&mut std::io::BufReader::new(file.take(length)));
        let value = value.map_err(|error| format!("the footer of the Parquet file is damaged: {error}"))?;
        Self::of(&value, start)
    }

    /// Reads the values of a footer; all pages lie before the offset `end`.
    fn of(value: &Value, end: u64) -> Result<Self, String> {
        let columns = columns(value.list(2))?;
        let groups: Result<Vec<Group>, String> =
            value.list(4).iter().map(|group| Self::group(group, &columns, end)).collect();
        let groups = groups?;
        let rows = groups.iter().try_fold(0u64, |sum, group| sum.checked_add(group.rows));
        match rows {
            Some(rows) if rows <= end.saturating_mul(ROWS_PER_BYTE) => Ok(Self { columns, groups }),
            _ => Err("the Parquet file is damaged: it states more rows than it can hold".into()),
        }
    }

    fn group(group: &Value, columns: &[Column], end: u64) -> Result<Group, String> {
        let rows = group.int(3).and_then(|rows| u64::try_from(rows).ok()).ok_or("a row group states no rows")?;
        let chunks: Result<Vec<Chunk>, String> =
            group.list(1).iter().zip(columns).map(|(chunk, column)| Self::chunk(chunk, column, end)).collect();
        let chunks = chunks?;
        if chunks.len() == columns.len() {
            Ok(Group { rows, chunks })
        } else {
            Err(format!("a row group has {} columns, but the schema {}", chunks.len(), columns.len()))
        }
    }

    fn chunk(chunk: &Value, column: &Column, end: u64) -> Result<Chunk, String> {
        let name = &column.name;
        if chunk.text(1).is_some() {
            return Err(format!("the column {name} is in another file"));
        }
        if chunk.field(8).is_some() {
            return Err(format!("the column {name} is encrypted"));
        }
        let lacks = || format!("the column {name} has no place in the file");
        let data = chunk.field(3).ok_or_else(lacks)?;
        let number = |id: i16| data.int(id).and_then(|number| u64::try_from(number).ok());
        let page = number(9).ok_or_else(lacks)?;
        // Some writers state 0 for no dictionary.
        let start = number(11).filter(|dictionary| *dictionary > 0).map_or(page, |dictionary| dictionary.min(page));
        let length = number(7).ok_or_else(lacks)?;
        if start.checked_add(length).is_none_or(|after| after > end) {
            return Err(format!("the column {name} reaches beyond the end of the file"));
        }
        let unpacked = number(6).ok_or_else(lacks)?;
        if unpacked > UNPACKED && unpacked / LARGEST_RATIO > length {
            return Err(format!("the column {name} unpacks from {length} to {unpacked} bytes"));
        }
        let codec = Codec::of(data.int(4).unwrap_or_default()).map_err(|codec| {
            format!("the column {name} is compressed by {codec}; read are Snappy, gzip, Zstandard and no compression")
        })?;
        Ok(Chunk { start, length, unpacked, codec, values: number(5).ok_or_else(lacks)? })
    }
}
