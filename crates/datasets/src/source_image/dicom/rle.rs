//! Run-length decoding (PS3.5, annex G).

use super::super::refused::Refused;
use super::elements::{cut_off, damaged};

/// Bytes of the header: the number of segments and 15 offsets.
const HEADER: usize = 64;

/// Decodes a frame of `pixels` pixels to one plane of bytes for each segment: for each sample its bytes from the highest
/// to the lowest. `segments` is the expected number.
///
/// # Errors
/// When the number of segments is another one, a segment lies outside the data or gives too few bytes.
pub(super) fn decode(data: &[u8], pixels: usize, segments: usize) -> Result<Vec<Vec<u8>>, Refused> {
    let number = |index: usize| -> Option<usize> {
        let bytes = data.get(4 * index..4 * index + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    if data.len() < HEADER {
        return Err(cut_off());
    }
    if number(0) != Some(segments) || segments > 15 {
        return Err(damaged("its runs have another number of segments than its samples have bytes"));
    }
    let mut planes = Vec::new();
    for segment in 1..=segments {
        let start = number(segment).unwrap_or(0);
        let end = if segment == segments { data.len() } else { number(segment + 1).unwrap_or(0) };
        let runs = data
            .get(start..end)
            .filter(|_| start >= HEADER)
            .ok_or_else(|| damaged("a segment of runs lies outside"))?;
        planes.push(unpack(runs, pixels)?);
    }
    Ok(planes)
}

/// Unpacks the runs of a segment to `count` bytes.
fn unpack(runs: &[u8], count: usize) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::with_capacity(count);
    let mut at = 0;
    while bytes.len() < count {
        let length = *runs.get(at).ok_or_else(cut_off)? as i8;
        at += 1;
        match length {
            0.. => {
                let literal = runs.get(at..at + length as usize + 1).ok_or_else(cut_off)?;
                bytes.extend_from_slice(literal);
                at += literal.len();
            }
            // No operation.
            -128 => {}
            _ => {
                let value = *runs.get(at).ok_or_else(cut_off)?;
                bytes.resize(bytes.len() + 1 + usize::from(length.unsigned_abs()), value);
                at += 1;
            }
        }
    }
    bytes.truncate(count);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_literals_are_unpacked() {
        assert_eq!(unpack(&[2, 1, 2, 3, 254, 9, 128, 0, 7], 7), Ok(vec![1, 2, 3, 9, 9, 9, 7]));
        assert_eq!(unpack(&[2, 1, 2], 3), Err(cut_off()));
        assert_eq!(unpack(&[255], 2), Err(cut_off()));
    }

    #[test]
    fn segments_must_be_as_many_as_bytes_and_inside() {
        let mut data = vec![0; HEADER];
        data[0] = 1;
        data[4] = 64;
        data.extend([255, 5]);
        assert_eq!(decode(&data, 2, 1), Ok(vec![vec![5, 5]]));
        assert!(decode(&data, 2, 2).is_err());
        data[4] = 200;
        assert!(decode(&data, 2, 1).is_err());
        assert_eq!(decode(&data[..20], 2, 1), Err(cut_off()));
    }
}
