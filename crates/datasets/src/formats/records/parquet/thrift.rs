//! Thrift's compact protocol, as the metadata of Parquet files use it, read to a tree of values.

use std::io::{self, Read};

/// Deepest nesting of structures and lists.
const DEEPEST: usize = 24;

/// A value of the protocol.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Truth value.
    Bool(bool),
    /// Whole number of 8 to 64 bits.
    Int(i64),
    /// Floating-point number.
    Double(f64),
    /// Bytes or text.
    Binary(Vec<u8>),
    /// List or set.
    List(Vec<Value>),
    /// Structure: values by the ids of their fields.
    Struct(Vec<(i16, Value)>),
}

impl Value {
    /// Returns the field with the id `id` of a structure; None when there is none.
    pub(super) fn field(&self, id: i16) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields.iter().find(|(known, _)| *known == id).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Returns a number field; None when there is none.
    pub(super) fn int(&self, id: i16) -> Option<i64> {
        match self.field(id)? {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns a text field; None when there is none.
    pub(super) fn text(&self, id: i16) -> Option<String> {
        match self.field(id)? {
            Self::Binary(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// Returns the elements of a list field; empty when there is none.
    pub(super) fn list(&self, id: i16) -> &[Self] {
        match self.field(id) {
            Some(Self::List(values)) => values,
            _ => &[],
        }
    }
}

/// Reads a structure. The reader must be limited: nothing that it claims is allocated before it is read.
///
/// # Errors
/// When the bytes end early, nest too deeply, or are no structure of the protocol.
pub(super) fn read(reader: &mut impl Read) -> io::Result<Value> {
    structure(reader, 0)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn structure(reader: &mut impl Read, depth: usize) -> io::Result<Value> {
    if depth > DEEPEST {
        return Err(invalid("metadata nest too deeply"));
    }
    let mut fields = Vec::new();
    let mut id = 0i16;
    loop {
        let head = byte(reader)?;
        if head == 0 {
            return Ok(Value::Struct(fields));
        }
        id = match head >> 4 {
            0 => i16::try_from(zigzag(reader)?).map_err(|_| invalid("metadata have a field id out of range"))?,
            step => id.checked_add(i16::from(step)).ok_or_else(|| invalid("metadata have too many fields"))?,
        };
        let value = match head & 0x0F {
            1 => Value::Bool(true),
            2 => Value::Bool(false),
            kind => value(reader, kind, depth)?,
        };
        fields.push((id, value));
    }
}

fn value(reader: &mut impl Read, kind: u8, depth: usize) -> io::Result<Value> {
    match kind {
        1 | 2 => Ok(Value::Bool(byte(reader)? == 1)),
        3 => Ok(Value::Int(i64::from(byte(reader)? as i8))),
        4..=6 => zigzag(reader).map(Value::Int),
        7 => {
            let mut bytes = [0; 8];
            reader.read_exact(&mut bytes)?;
            Ok(Value::Double(f64::from_le_bytes(bytes)))
        }
        8 => {
            let length = varint(reader)?;
            let mut bytes = Vec::new();
            reader.by_ref().take(length).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(Value::Binary(bytes))
        }
        9 | 10 => {
            let head = byte(reader)?;
            let count = if head >> 4 == 15 { varint(reader)? } else { u64::from(head >> 4) };
            let mut values = Vec::new();
            for _ in 0..count {
                values.push(match head & 0x0F {
                    12 => structure(reader, depth + 1)?,
                    kind => value(reader, kind, depth + 1)?,
                });
            }
            Ok(Value::List(values))
        }
        12 => structure(reader, depth + 1),
        _ => Err(invalid("metadata have a value of unknown kind")),
    }
}

fn byte(reader: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Reads a number in groups of seven bits, lowest first.
pub(super) fn varint(reader: &mut impl Read) -> io::Result<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = byte(reader)?;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(invalid("a number is longer than 64 bits"))
}

fn zigzag(reader: &mut impl Read) -> io::Result<i64> {
    let number = varint(reader)?;
    Ok((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_numbers_and_lists_are_read() {
        // 1: i32 -3, 3: binary "ab", 4: list of two i32, 20: true
        let bytes = [0x15, 5, 0x28, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x01, 40, 0];
        let read = read(&mut &bytes[..]).expect("reads");
        assert_eq!((read.int(1), read.text(3)), (Some(-3), Some("ab".into())));
        assert_eq!(read.list(4), [Value::Int(1), Value::Int(2)]);
        assert_eq!(read.field(20), Some(&Value::Bool(true)));
    }

    #[test]
    fn claims_beyond_the_bytes_are_refused() {
        for bytes in [&[0x18, 0xFF, 0xFF, 0xFF, 0x7F, 1][..], &[0x19, 0xF5, 0xFF, 0xFF, 0xFF, 0x7F, 2], &[0x1C; 100]] {
            assert!(read(&mut &bytes[..]).is_err());
        }
    }
}
