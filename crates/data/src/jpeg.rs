//! Number of colour components of a JPEG file, which the decoder of the `image` crate does not report.

use std::io::{self, BufRead, ErrorKind, Read};

/// Reads the number of colour components from the frame header of a JPEG file (ITU-T T.81, B.2.2).
///
/// Returns None when the data is no JPEG or ends before the frame header.
///
/// # Errors
/// When reading fails for another reason than the end of the data.
pub fn components(mut reader: impl BufRead) -> io::Result<Option<u8>> {
    match frame(&mut reader) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        found => found,
    }
}

fn frame(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    if bytes(reader)? != [0xff, 0xd8] {
        return Ok(None);
    }
    loop {
        let [mut marker] = bytes(reader)?;
        if marker != 0xff {
            return Ok(None);
        }
        // Any number of fill bytes may precede a marker.
        while marker == 0xff {
            [marker] = bytes(reader)?;
        }
        let length = u64::from(u16::from_be_bytes(bytes(reader)?));
        match marker {
            // Start of frame. The excluded codes in this range are Huffman tables (c4), reserved (c8) and arithmetic
            // coding conditions (cc).
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) => {
                let [_precision, _, _, _, _, components] = bytes(reader)?;
                return Ok(Some(components));
            }
            0xda => return Ok(None),
            _ => io::copy(&mut reader.by_ref().take(length.saturating_sub(2)), &mut io::sink())?,
        };
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_header_gives_the_number_of_components() {
        let of = |parts: &[&[u8]]| components(parts.concat().as_slice()).expect("read from memory");
        let frame: &[u8] = b"\xff\xc2\0\x14\x08\0\x0c\0\x14\x04";
        // A Huffman table, whose code lies among the frame codes; a comment that contains a frame marker; fill bytes.
        let before: [&[u8]; 4] = [b"\xff\xd8", b"\xff\xc4\0\x04\xff\xc0", b"\xff\xfe\0\x05\xff\xc0\x01", b"\xff\xff"];
        assert_eq!(of(&[&before[..], &[frame]].concat()), Some(4));
        assert_eq!(of(&[b"\xff\xd8", frame]), Some(4));
        assert_eq!(of(&[b"\xff\xd8", &frame[..8]]), None, "cut off");
        assert_eq!(of(&[b"\xff\xd8\xff\xda\0\x02", frame]), None, "the scan has begun");
        assert_eq!(of(&[b"\x89PNG", frame]), None);
        assert_eq!(of(&[]), None);
    }
}
