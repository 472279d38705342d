//! Header of a JPEG file: size, samples and orientation.

use std::io::{self, BufRead};

use image::metadata::Orientation;

use super::segments::{APP1, EOI, SOS, Segments, starts_frame};

/// Header of a JPEG file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Width of the stored image in pixels.
    pub(super) width: u32,
    /// Height of the stored image in pixels.
    pub(super) height: u32,
    /// Bits per sample.
    pub(super) bits: u8,
    /// Number of colour components.
    pub(super) components: u8,
    /// How the stored image is turned for display.
    pub(super) orientation: Orientation,
}

impl Header {
    /// Reads the segments before the first scan. Returns None when they hold no frame header or a frame header that is
    /// too short. The first orientation in EXIF data counts.
    ///
    /// # Errors
    /// When reading fails, or the data end before the first scan ([`io::ErrorKind::UnexpectedEof`]).
    pub(super) fn read(reader: impl BufRead) -> io::Result<Option<Self>> {
        let mut segments = Segments(reader);
        let (mut header, mut orientation) = (None, None);
        loop {
            let (marker, content) = segments.next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            match marker {
                SOS | EOI => break,
                APP1 if orientation.is_none() => {
                    orientation = content.strip_prefix(b"Exif\0\0").and_then(Orientation::from_exif_chunk);
                }
                // ITU-T T.81, B.2.2.
                frame if starts_frame(frame) && header.is_none() => {
                    let [bits, y0, y1, x0, x1, components, ..] = content[..] else { return Ok(None) };
                    let [height, width] = [[y0, y1], [x0, x1]].map(|side| u32::from(u16::from_be_bytes(side)));
                    let orientation = Orientation::NoTransforms;
                    header = Some(Self { width, height, bits, components, orientation });
                }
                _ => {}
            }
        }
        let orientation = orientation.unwrap_or(Orientation::NoTransforms);
        Ok(header.map(|header| Self { orientation, ..header }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: &[u8] = b"\xff\xda\0\x02";

    #[test]
    fn the_frame_is_found_behind_other_segments() {
        let of = |parts: &[&[u8]]| Header::read(parts.concat().as_slice());
        let frame: &[u8] = b"\xff\xc2\0\x08\x08\0\x0c\0\x14\x04";
        // A Huffman table, whose code lies among the frame codes; a comment that contains a frame marker; fill bytes.
        let before: [&[u8]; 4] = [b"\xff\xd8", b"\xff\xc4\0\x04\xff\xc0", b"\xff\xfe\0\x05\xff\xc0\x01", b"\xff\xff"];
        let orientation = Orientation::NoTransforms;
        let expected = Some(Header { width: 20, height: 12, bits: 8, components: 4, orientation });
        assert_eq!(of(&[&before[..], &[frame, SCAN]].concat()).expect("reads"), expected);
        assert_eq!(of(&[b"\xff\xd8", frame, SCAN]).expect("reads"), expected);
        assert_eq!(of(&[b"\xff\xd8", SCAN, frame]).expect("reads"), None, "the frame is behind the scan");
        assert_eq!(of(&[b"\xff\xd8\xff\xd9", frame]).expect("reads"), None, "the frame is behind the end");
        assert_eq!(of(&[b"\xff\xd8\xff\xc0\0\x04\x08\0", SCAN]).expect("reads"), None, "the frame is too short");
    }

    #[test]
    fn data_that_end_before_the_scan_are_cut_off() {
        let whole = b"\xff\xd8\xff\xc0\0\x08\x08\0\x0c\0\x14\x03\xff\xda\0\x02";
        for length in 0..whole.len() {
            let error = Header::read(&whole[..length]).expect_err("cut off");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
        assert!(Header::read(whole.as_slice()).expect("reads").is_some());
    }

    #[test]
    fn the_first_exif_orientation_counts() {
        let exif = |turn: u8| {
            let mut segment = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
            segment.extend([turn, 0, 0, 0, 0, 0, 0, 0]);
            segment
        };
        let frame: &[u8] = b"\xff\xc0\0\x08\x08\0\x0c\0\x14\x03";
        let bytes = [b"\xff\xd8\xff\xe1\0\x06http", frame, &exif(6), &exif(3), SCAN].concat();
        let header = Header::read(bytes.as_slice()).expect("reads").expect("has a frame");
        assert_eq!(header.orientation, Orientation::Rotate90);
    }
}
