//! Lookup tables of DICOM files (PS3.3, C.11.1 and C.11.2; palettes C.7.6.3.1.5).

use super::super::refused::Refused;
use super::elements::{Element, Elements, damaged, items};
use super::encoding::Encoding;

const DESCRIPTOR: u32 = 0x0028_3002;
const DATA: u32 = 0x0028_3006;

/// A lookup table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    /// Value of the first entry; lower values get its result.
    first: i64,
    entries: Vec<u16>,
    /// Bits of an entry.
    pub(super) bits: u16,
}

impl Lookup {
    /// Reads the first item of a sequence of tables. `is_signed` says whether the values that are looked up can be
    /// negative.
    ///
    /// # Errors
    /// When the sequence is empty, or its table damaged.
    pub(super) fn of_sequence(sequence: Element<'_>, is_signed: bool) -> Result<Self, Refused> {
        let item = items(sequence.value, sequence.encoding)?.first().copied();
        let mut elements =
            Elements::new(item.ok_or_else(|| damaged("a sequence of tables is empty"))?, sequence.encoding);
        let (mut descriptor, mut data) = (None, None);
        while let Some(element) = elements.next()? {
            match element.tag {
                DESCRIPTOR => descriptor = Some(element.value),
                DATA => data = Some(element.value),
                _ => {}
            }
        }
        match (descriptor, data) {
            (Some(descriptor), Some(data)) => Self::new(descriptor, data, sequence.encoding, is_signed),
            _ => Err(damaged("a table has no descriptor or no data")),
        }
    }

    /// Makes a table from its descriptor (number of entries, first value, bits) and its data.
    ///
    /// # Errors
    /// When the descriptor is too short, or the data do not fit it.
    pub(super) fn new(descriptor: &[u8], data: &[u8], encoding: Encoding, is_signed: bool) -> Result<Self, Refused> {
        let numbers: Vec<u16> = descriptor.chunks_exact(2).map(|pair| encoding.u16([pair[0], pair[1]])).collect();
        let &[count, first, bits, ..] = numbers.as_slice() else {
            return Err(damaged("a table has a short descriptor"));
        };
        // 0 stands for 65,536 entries.
        let count = if count == 0 { 1 << 16 } else { usize::from(count) };
        let entries: Vec<u16> = if bits == 8 && data.len() <= count + 1 {
            data.iter().take(count).map(|byte| u16::from(*byte)).collect()
        } else {
            data.chunks_exact(2).take(count).map(|pair| encoding.u16([pair[0], pair[1]])).collect()
        };
        if entries.len() < count || !(1..=16).contains(&bits) {
            return Err(damaged("a table has fewer entries than it says, or entries of more than 16 bits"));
        }
        let first = if is_signed { i64::from(first as i16) } else { i64::from(first) };
        Ok(Self { first, entries, bits })
    }

    /// Returns the entry of a value. Values beyond the table get its first or its last entry.
    pub(super) fn entry(&self, value: f64) -> u16 {
        let place = (value as i64).saturating_sub(self.first).clamp(0, self.entries.len() as i64 - 1);
        self.entries[place as usize]
    }
}
