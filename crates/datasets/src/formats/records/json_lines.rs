//! JSON Lines: one object on each line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use serde_json::Map;
use stepwise_data::problem::Problems;

use super::super::record::{Place, Record, Records};
use super::limited::LARGEST_RECORD;

/// Returns the objects of the lines; blank lines are skipped. The row of a record is its line.
pub(super) fn read(file: Arc<Path>, mut reader: BufReader<File>) -> Records {
    let (mut row, mut ended, mut line) = (0, false, Vec::new());
    Box::new(std::iter::from_fn(move || {
        while !ended {
            line.clear();
            row += 1;
            let place = Place { file: Arc::clone(&file), row };
            let failed = |what: String| Some(Err(place.problem("", what, "write one JSON object on each line")));
            match reader.by_ref().take(LARGEST_RECORD + 1).read_until(b'\n', &mut line) {
                Ok(0) => ended = true,
                Ok(length) if length as u64 > LARGEST_RECORD => {
                    ended = true;
                    return failed(format!("is longer than {LARGEST_RECORD} bytes"));
                }
                Ok(_) if line.iter().all(u8::is_ascii_whitespace) => {}
                Ok(_) => return Some(object(place, &line)),
                Err(error) => {
                    ended = true;
                    return failed(format!("cannot be read: {error}"));
                }
            }
        }
        None
    }))
}

/// Reads one object.
pub(super) fn object(place: Place, bytes: &[u8]) -> Result<Record, Problems> {
    match serde_json::from_slice::<Map<_, _>>(bytes) {
        Ok(fields) => Ok(Record { place, fields, bytes: BTreeMap::new() }),
        Err(error) => {
            Err(place.problem("", format!("is not a JSON object: {error}"), "correct it, or leave the row out"))
        }
    }
}
