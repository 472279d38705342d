//! Bytes of one frame in pixel data, native or encapsulated in fragments (PS3.5, annex A.4).

use std::borrow::Cow;

use super::super::refused::Refused;
use super::elements::{cut_off, damaged, items};
use super::header::{Header, Photometric};

/// First bytes of a JPEG image.
const JPEG: &[u8] = b"\xFF\xD8";

/// Returns the bits of a native frame: their bytes, and the number of bits before the first sample.
///
/// # Errors
/// When the pixel data end before the frame does.
pub(super) fn native<'a>(header: &Header<'a>) -> Result<(Cow<'a, [u8]>, usize), Refused> {
    let pixels = u64::from(header.rows) * u64::from(header.columns);
    // Two pixels share their colour differences (PS3.3, C.7.6.3.1.2).
    let samples = if header.photometric == Photometric::YbrFull422 { 2 } else { u64::from(header.samples) };
    let bits = pixels * samples * u64::from(header.bits_allocated);
    let start = bits * u64::from(header.frame - 1);
    let end = start + bits;
    // Bytes in words of two are exchanged in big endian files (PS3.5, 8.1.1).
    let bytes = if header.syntax.encoding.is_big && header.pixels.is_words && header.bits_allocated <= 8 {
        Cow::Owned(header.pixels.value.chunks_exact(2).flat_map(|word| [word[1], word[0]]).collect())
    } else {
        Cow::Borrowed(header.pixels.value)
    };
    if header.pixels.is_undefined || end.div_ceil(8) > bytes.len() as u64 {
        return Err(cut_off());
    }
    let range = (start / 8) as usize..end.div_ceil(8) as usize;
    let frame = match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[range]),
        Cow::Owned(bytes) => Cow::Owned(bytes[range].to_vec()),
    };
    Ok((frame, (start % 8) as usize))
}

/// Returns the compressed bytes of a frame.
///
/// # Errors
/// When the pixel data are not encapsulated, damaged, or do not say which fragments belong to the frame.
pub(super) fn compressed<'a>(header: &Header<'a>) -> Result<Cow<'a, [u8]>, Refused> {
    if !header.pixels.is_undefined {
        return Err(damaged("its compressed pixels have no fragments"));
    }
    let all = items(header.pixels.value, header.pixels.encoding)?;
    let Some((offsets, fragments)) = all.split_first() else { return Err(cut_off()) };
    let (frames, frame) = (header.frames as usize, header.frame as usize - 1);
    if frames == fragments.len() {
        return Ok(Cow::Borrowed(fragments[frame]));
    }
    if frames == 1 {
        return Ok(Cow::Owned(fragments.concat()));
    }
    let starts: Vec<usize> = if offsets.len() >= 4 * frames {
        // The table counts from the first fragment, with the 8 bytes of each item's head.
        let mut places = Vec::new();
        let mut at = 0;
        for fragment in fragments {
            places.push(at);
            at += 8 + fragment.len();
        }
        let offsets =
            offsets.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize);
        offsets.filter_map(|offset| places.binary_search(&offset).ok()).collect()
    } else {
        (0..fragments.len()).filter(|place| fragments[*place].starts_with(JPEG)).collect()
    };
    if starts.len() != frames || starts.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(damaged("its fragments do not belong to frames"));
    }
    let end = starts.get(frame + 1).copied().unwrap_or(fragments.len());
    Ok(Cow::Owned(fragments[starts[frame]..end].concat()))
}
