//! Data elements of a DICOM data set (PS3.5, section 7), as slices of the file.

use super::super::refused::Refused;
use super::encoding::Encoding;

/// Deepest nesting of sequences that is followed.
const DEEPEST: usize = 16;
/// Length of a value that ends with a delimiter.
const UNDEFINED: u32 = u32::MAX;

pub(super) const ITEM: u32 = 0xFFFE_E000;
const ITEM_END: u32 = 0xFFFE_E00D;
const SEQUENCE_END: u32 = 0xFFFE_E0DD;
const PIXEL_DATA: u32 = 0x7FE0_0010;

/// A data element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// Group and element number.
    pub(super) tag: u32,
    /// Value; of a sequence or encapsulated pixel data all items.
    pub(super) value: &'a [u8],
    /// Whether the value ended with a delimiter instead of having a length.
    pub(super) is_undefined: bool,
    /// Whether the value representation is `OW`: words of two bytes.
    pub(super) is_words: bool,
    /// Encoding of the items, if the value is a sequence.
    pub(super) encoding: Encoding,
}

/// Reads data elements one after another.
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: Encoding,
    depth: usize,
}

impl<'a> Elements<'a> {
    /// Reads the elements of `bytes`.
    pub(super) fn new(bytes: &'a [u8], encoding: Encoding) -> Self {
        Self { bytes, at: 0, encoding, depth: 0 }
    }

    /// Returns the position of the next element.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns the tag of the next element; None at the end.
    pub(super) fn peek(&self) -> Option<u32> {
        Some(self.tag(self.bytes.get(self.at..self.at + 4)?.try_into().ok()?))
    }

    fn tag(&self, [a, b, c, d]: [u8; 4]) -> u32 {
        u32::from(self.encoding.u16([a, b])) << 16 | u32::from(self.encoding.u16([c, d]))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or_else(cut_off)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        self.take(N)?.try_into().map_err(|_| cut_off())
    }

    /// Reads the next element; None at the end of the bytes.
    ///
    /// # Errors
    /// When the bytes end inside an element, or sequences are nested too deeply.
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, Refused> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let bytes = self.array()?;
        let tag = self.tag(bytes);
        let is_delimiter = tag >> 16 == 0xFFFE;
        let mut encoding = self.encoding;
        let mut is_words = false;
        let length = if self.encoding.is_explicit && !is_delimiter {
            let representation: [u8; 2] = self.array()?;
            match &representation {
                b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT"
                | b"UV" => {
                    self.take(2)?;
                    is_words = &representation == b"OW";
                    if &representation == b"UN" {
                        // PS3.5, 6.2.2: items of an unknown sequence are implicit.
                        encoding = Encoding::IMPLICIT;
                    }
                    let length = self.array()?;
                    self.encoding.u32(length)
                }
                [first, second] if first.is_ascii_uppercase() && second.is_ascii_uppercase() => {
                    let length = self.array()?;
                    u32::from(self.encoding.u16(length))
                }
                // Some programs write implicit elements under an explicit transfer syntax.
                [first, second] => {
                    encoding.is_explicit = false;
                    let [third, fourth] = self.array()?;
                    self.encoding.u32([*first, *second, third, fourth])
                }
            }
        } else {
            let length = self.array()?;
            self.encoding.u32(length)
        };
        let is_undefined = length == UNDEFINED;
        let value = if !is_undefined {
            self.take(length as usize)?
        } else if is_delimiter {
            return Err(damaged("an item stands outside a sequence"));
        } else {
            let start = self.at;
            let end = self.skip_items(encoding, tag == PIXEL_DATA)?;
            &self.bytes[start..end]
        };
        Ok(Some(Element { tag, value, is_undefined, is_words, encoding }))
    }

    /// Passes over the items of a sequence of undefined length and its delimiter. Returns the position of the delimiter.
    fn skip_items(&mut self, encoding: Encoding, is_pixels: bool) -> Result<usize, Refused> {
        let mut items = Elements { bytes: self.bytes, at: self.at, encoding, depth: self.depth + 1 };
        if items.depth > DEEPEST {
            return Err(damaged("its sequences are nested too deeply"));
        }
        loop {
            let start = items.at;
            match items.item_length()? {
                None => {
                    self.at = items.at;
                    return Ok(start);
                }
                Some(UNDEFINED) if is_pixels => return Err(damaged("a fragment of its pixels has no length")),
                Some(UNDEFINED) => items.skip_to_item_end()?,
                Some(length) => {
                    items.take(length as usize)?;
                }
            }
        }
    }

    /// Reads the head of an item. Returns its length; None for the delimiter of the sequence.
    fn item_length(&mut self) -> Result<Option<u32>, Refused> {
        let tag = self.array()?;
        let tag = self.tag(tag);
        let length = self.array()?;
        let length = self.encoding.u32(length);
        match tag {
            ITEM => Ok(Some(length)),
            SEQUENCE_END => Ok(None),
            _ => Err(damaged("a sequence holds something else than items")),
        }
    }

    fn skip_to_item_end(&mut self) -> Result<(), Refused> {
        while self.peek() != Some(ITEM_END) {
            if self.next()?.is_none() {
                return Err(cut_off());
            }
        }
        self.take(8).map(drop)
    }
}

/// Returns the contents of the items of a sequence or of encapsulated pixel data.
///
/// # Errors
/// When the bytes end inside an item.
pub(super) fn items(value: &[u8], encoding: Encoding) -> Result<Vec<&[u8]>, Refused> {
    let mut reader = Elements::new(value, encoding);
    let mut all = Vec::new();
    while reader.at < value.len() {
        match reader.item_length()? {
            None => break,
            Some(UNDEFINED) => {
                let start = reader.at;
                reader.skip_to_item_end()?;
                all.push(&value[start..reader.at - 8]);
            }
            Some(length) => all.push(reader.take(length as usize)?),
        }
    }
    Ok(all)
}

/// Makes the refusal of a file that ends too early.
pub(super) fn cut_off() -> Refused {
    Refused::new("the DICOM file is cut off", "copy it again from its source")
}

/// Makes the refusal of a damaged file.
pub(super) fn damaged(what: &str) -> Refused {
    Refused::new(format!("the DICOM file is damaged: {what}"), "copy it again from its source")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_all_encodings_are_read() {
        let implicit = b"\x28\0\x10\0\x02\0\0\0\x07\0";
        let element = Elements::new(implicit, Encoding::IMPLICIT).next().expect("sound").expect("one");
        assert_eq!((element.tag, element.value), (0x0028_0010, &b"\x07\0"[..]));
        let big = b"\0\x28\0\x10US\0\x02\0\x07";
        let encoding = Encoding { is_explicit: true, is_big: true };
        let element = Elements::new(big, encoding).next().expect("sound").expect("one");
        assert_eq!((element.tag, element.value), (0x0028_0010, &b"\0\x07"[..]));
    }

    #[test]
    fn sequences_without_a_length_end_at_their_delimiter() {
        let nested = b"\x28\0\x10\x30SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff\x28\0\x50\x10DS\x02\x0040\
            \xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0\x28\0\x10\0US\x02\0\x07\0";
        let mut reader = Elements::new(nested, Encoding::EXPLICIT);
        let sequence = reader.next().expect("sound").expect("a sequence");
        assert!(sequence.is_undefined);
        let found = items(sequence.value, sequence.encoding).expect("sound");
        assert_eq!(found.len(), 1);
        let inner = Elements::new(found[0], Encoding::EXPLICIT).next().expect("sound").expect("one");
        assert_eq!(inner.value, b"40");
        assert_eq!(reader.next().expect("sound").map(|element| element.tag), Some(0x0028_0010));
        assert_eq!(reader.next(), Ok(None));
        assert!(Elements::new(&nested[..40], Encoding::EXPLICIT).next().is_err(), "cut off");
    }

    #[test]
    fn endless_nesting_and_false_lengths_are_refused() {
        let level = b"\x28\0\x10\x30SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff";
        let deep = level.repeat(100_000);
        let refused = Elements::new(&deep, Encoding::EXPLICIT).next().expect_err("too deep").to_string();
        assert!(refused.contains("nested too deeply"), "{refused}");
        let long = b"\xe0\x7f\x10\0OW\0\0\xf0\xff\xff\xff\0\0";
        assert_eq!(Elements::new(long, Encoding::EXPLICIT).next(), Err(cut_off()));
    }
}
