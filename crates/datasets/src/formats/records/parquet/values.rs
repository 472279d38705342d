//! Values of pages: plain, or by their index in the dictionary of the column chunk.

use std::io::{self, Read as _};

use super::body::{Body, damaged};
use super::hybrid::Hybrid;
use super::schema::Kind;

/// Most entries of a dictionary.
const MOST_ENTRIES: u64 = 1 << 24;

/// Largest value in bytes, as for the records of other kinds of files.
const LARGEST: u64 = super::super::limited::LARGEST_RECORD;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf {
    /// Truth value.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Floating-point number.
    Float(f64),
    /// Bytes or text.
    Bytes(Vec<u8>),
}

/// Values that indices name.
pub(super) struct Dictionary {
    kind: Kind,
    body: Body,
    /// Offset and length of the bytes of each value.
    places: Vec<(u64, u32)>,
}

impl Dictionary {
    /// Reads where the values of a page are.
    ///
    /// # Errors
    /// When the page holds fewer values, or too many.
    pub(super) fn new(kind: Kind, mut body: Body, values: u64) -> io::Result<Self> {
        if values > MOST_ENTRIES || values > body.len()? {
            return Err(damaged(format!("a dictionary states {values} values")));
        }
        let mut places = Vec::new();
        let mut offset = 0;
        for _ in 0..values {
            let length = match kind {
                Kind::Bytes => {
                    offset += 4;
                    length(&mut body)?
                }
                Kind::Bool => 1,
                Kind::Int32 | Kind::Float => 4,
                Kind::Int64 | Kind::Double => 8,
                Kind::Fixed(length) => length,
            };
            body.skip(length)?;
            places.push((offset, u32::try_from(length).map_err(|_| damaged("a value is too long"))?));
            offset += length;
        }
        if offset > body.len()? {
            return Err(damaged("a dictionary is cut off"));
        }
        Ok(Self { kind, body, places })
    }

    fn value(&mut self, index: u32) -> io::Result<Leaf> {
        let place = self.places.get(index as usize).copied();
        let (offset, length) = place.ok_or_else(|| damaged(format!("a dictionary has no value {index}")))?;
        let bytes = self.body.bytes_at(offset, u64::from(length))?;
        leaf(self.kind, bytes)
    }
}

/// Values of a data page.
pub(super) enum Values {
    /// One after another.
    Plain(Kind, Body),
    /// Truth values of one bit: the bytes, the present byte, and the number of its bits that are read.
    Bits(Body, u8, u8),
    /// Truth values in runs.
    BoolRuns(Hybrid<Body>),
    /// Indices.
    Indices(Hybrid<Body>),
}

impl Values {
    /// Reads the values in the rest of `body`.
    ///
    /// # Errors
    /// When the encoding is not known.
    pub(super) fn new(kind: Kind, encoding: i64, mut body: Body) -> io::Result<Self> {
        match (encoding, kind) {
            (0, Kind::Bool) => Ok(Self::Bits(body, 0, 8)),
            (0, _) => Ok(Self::Plain(kind, body)),
            (3, Kind::Bool) => {
                body.exactly(4)?;
                Hybrid::new(body, 1).map(Self::BoolRuns)
            }
            (2 | 8, _) => {
                let width = body.exactly(1)?[0];
                Hybrid::new(body, u32::from(width)).map(Self::Indices)
            }
            (4..=7 | 9, _) => Err(damaged(
                "the values have a delta or byte-stream-split encoding; read are plain values and dictionaries",
            )),
            (other, _) => Err(damaged(format!("the values have the unknown encoding {other}"))),
        }
    }

    /// Returns the next value.
    ///
    /// # Errors
    /// When the page ends, a value is too long, or an index is not in the dictionary.
    pub(super) fn next(&mut self, dictionary: &mut Option<Dictionary>) -> io::Result<Leaf> {
        match self {
            Self::Plain(kind, body) => {
                let length = match kind {
                    Kind::Bytes => length(body)?,
                    Kind::Bool => 1,
                    Kind::Int32 | Kind::Float => 4,
                    Kind::Int64 | Kind::Double => 8,
                    Kind::Fixed(length) => *length,
                };
                let bytes = body.exactly(length)?;
                leaf(*kind, bytes)
            }
            Self::Bits(body, byte, read) => {
                if *read == 8 {
                    (*byte, *read) = (body.exactly(1)?[0], 0);
                }
                *read += 1;
                Ok(Leaf::Bool(*byte >> (*read - 1) & 1 == 1))
            }
            Self::BoolRuns(runs) => runs.next().map(|bit| Leaf::Bool(bit == 1)),
            Self::Indices(indices) => {
                let index = indices.next()?;
                dictionary.as_mut().ok_or_else(|| damaged("the dictionary is missing"))?.value(index)
            }
        }
    }
}

/// Reads the length of a value.
fn length(body: &mut Body) -> io::Result<u64> {
    let mut bytes = [0; 4];
    body.read_exact(&mut bytes)?;
    let length = u64::from(u32::from_le_bytes(bytes));
    if length > LARGEST { Err(damaged(format!("a value is larger than {LARGEST} bytes"))) } else { Ok(length) }
}

fn leaf(kind: Kind, bytes: Vec<u8>) -> io::Result<Leaf> {
    let four = || bytes[..].try_into().map_err(|_| damaged("a value has not four bytes"));
    let eight = || bytes[..].try_into().map_err(|_| damaged("a value has not eight bytes"));
    Ok(match kind {
        Kind::Bool => Leaf::Bool(bytes == [1]),
        Kind::Int32 => Leaf::Int(i64::from(i32::from_le_bytes(four()?))),
        Kind::Int64 => Leaf::Int(i64::from_le_bytes(eight()?)),
        Kind::Float => Leaf::Float(f64::from(f32::from_le_bytes(four()?))),
        Kind::Double => Leaf::Float(f64::from_le_bytes(eight()?)),
        Kind::Bytes | Kind::Fixed(_) => Leaf::Bytes(bytes),
    })
}
