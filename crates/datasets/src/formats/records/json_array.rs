//! A JSON array of objects, read element by element.

use std::fs::File;
use std::io::{BufReader, Bytes, Read as _};
use std::path::Path;
use std::sync::Arc;

use stepwise_data::problem::Problems;

use super::super::record::{Place, Record, Records};
use super::json_lines::object;
use super::limited::LARGEST_RECORD;

/// Returns the elements of the array; the row of a record is its number in the array, from 1.
pub(super) fn read(file: Arc<Path>, reader: BufReader<File>) -> Records {
    Box::new(Elements { file, bytes: reader.bytes(), row: 0, ended: false })
}

struct Elements {
    file: Arc<Path>,
    bytes: Bytes<BufReader<File>>,
    row: usize,
    ended: bool,
}

impl Iterator for Elements {
    type Item = Result<Record, Problems>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.row += 1;
        let place = Place { file: Arc::clone(&self.file), row: self.row };
        match self.element() {
            // Nothing before the end: the array is empty, or a comma stands after its last element.
            Ok(element) if self.ended && element.iter().all(u8::is_ascii_whitespace) => None,
            Ok(element) => Some(object(place, &element)),
            Err(what) => {
                self.ended = true;
                Some(Err(place.problem("", what, "give a whole JSON array of objects")))
            }
        }
    }
}

impl Elements {
    /// Returns the text of the next element, up to the comma or bracket after it.
    fn element(&mut self) -> Result<Vec<u8>, String> {
        let (mut text, mut depth, mut in_string, mut is_escaped) = (Vec::new(), 0usize, false, false);
        let mut has_begun = self.row > 1;
        for byte in self.bytes.by_ref() {
            let byte = byte.map_err(|error| format!("cannot be read: {error}"))?;
            if !has_begun {
                has_begun = byte == b'[';
                continue;
            }
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if in_string => is_escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b']' if depth == 0 => {
                    self.ended = true;
                    return Ok(text);
                }
                b',' if depth == 0 => return Ok(text),
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            text.push(byte);
            if text.len() as u64 > LARGEST_RECORD {
                return Err(format!("is larger than {LARGEST_RECORD} bytes"));
            }
        }
        Err("the file is cut off: the array does not end".to_owned())
    }
}
