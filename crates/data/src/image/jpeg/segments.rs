//! Marker segments of a JPEG file (ITU-T T.81, B.1).

use std::io::{self, BufRead, Read};

/// Start of the image.
pub(super) const SOI: u8 = 0xd8;
/// End of the image.
pub(super) const EOI: u8 = 0xd9;
/// Start of a scan.
pub(super) const SOS: u8 = 0xda;
/// Application segment that holds EXIF data.
pub(super) const APP1: u8 = 0xe1;

/// Returns whether a marker starts a frame. The codes c4, c8 and cc in the same range define tables or are reserved.
pub(super) fn starts_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && ![0xc4, 0xc8, 0xcc].contains(&marker)
}

/// Returns whether the segments of a file lead to an end marker.
pub(super) fn reach_end(bytes: &[u8]) -> bool {
    let mut segments = Segments(bytes);
    while let Ok(Some((marker, _))) = segments.next() {
        if marker == EOI {
            return true;
        }
    }
    false
}

/// Reader of marker segments. The compressed data of scans are skipped.
pub(super) struct Segments<R>(pub(super) R);

impl<R: BufRead> Segments<R> {
    /// Returns the next marker and the content of its segment; SOI and EOI have no content. None at the end of the data.
    ///
    /// # Errors
    /// When reading fails, or the data end inside a segment ([`io::ErrorKind::UnexpectedEof`]).
    pub(super) fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let Some(marker) = self.marker()? else { return Ok(None) };
        if [SOI, EOI].contains(&marker) {
            return Ok(Some((marker, Vec::new())));
        }
        let mut length = [0; 2];
        self.0.read_exact(&mut length)?;
        let length = u64::from(u16::from_be_bytes(length).saturating_sub(2));
        let mut content = Vec::new();
        self.0.by_ref().take(length).read_to_end(&mut content)?;
        match content.len() as u64 == length {
            true => Ok(Some((marker, content))),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Returns the next marker. Passes over compressed data and their restart markers, stray bytes, and fill bytes.
    fn marker(&mut self) -> io::Result<Option<u8>> {
        loop {
            self.0.skip_until(0xff)?;
            let mut code = 0xff;
            while code == 0xff {
                let mut next = [0];
                if self.0.read(&mut next)? == 0 {
                    return Ok(None);
                }
                [code] = next;
            }
            // 00 stands for a compressed byte ff, 01 is a private code of arithmetic coding, d0 to d7 are restarts.
            if !matches!(code, 0 | 1 | 0xd0..=0xd7) {
                return Ok(Some(code));
            }
        }
    }
}
