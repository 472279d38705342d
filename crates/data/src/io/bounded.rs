//! Reading of configs, tokenizers, indices and recipes with an upper limit on the file size.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Largest accepted file in bytes, 64 MiB; real configs, tokenizers and indices have up to 20 MB.
pub const LARGEST: u64 = 64 << 20;

/// Reads a file of at most [`LARGEST`] bytes. The limit applies while reading, because the size that the file system
/// reports can be 0 or change.
///
/// # Errors
/// When the file cannot be read or is larger.
pub fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let problem = format!("is larger than the limit of {LARGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// Byte order mark of UTF-8, which editors on Windows write at the start of a file.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a UTF-8 text file of at most [`LARGEST`] bytes. A byte order mark at its start is left out.
///
/// # Errors
/// When [`bytes`] fails, or the content is not UTF-8; the message gives the first invalid byte, counted from 1, or the
/// encoding if a byte order mark tells it.
pub fn text(path: &Path) -> io::Result<String> {
    let mut bytes = bytes(path)?;
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let problem = match error.as_bytes() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "is UTF-16: save it as UTF-8".to_owned(),
            _ => format!("is not UTF-8 from byte {} on", error.utf8_error().valid_up_to() + 1),
        };
        io::Error::new(io::ErrorKind::InvalidData, problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_and_invalid_text_are_refused() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("config.json");
        // A sparse file, which takes no disk space.
        File::create(&path).and_then(|file| file.set_len(LARGEST)).expect("made");
        assert_eq!(bytes(&path).expect("just small enough").len() as u64, LARGEST);
        File::create(&path).and_then(|file| file.set_len(LARGEST + 1)).expect("made");
        assert_eq!(bytes(&path).expect_err("too large").kind(), io::ErrorKind::FileTooLarge);
        std::fs::write(&path, b"ab\xff").expect("written");
        assert_eq!(text(&path).expect_err("no text").to_string(), "is not UTF-8 from byte 3 on");
        std::fs::write(&path, b"\xef\xbb\xbf{}").expect("written");
        assert_eq!(text(&path).expect("a text"), "{}", "without its byte order mark");
        std::fs::write(&path, b"\xff\xfe{\0}\0").expect("written");
        assert_eq!(text(&path).expect_err("no text").to_string(), "is UTF-16: save it as UTF-8");
    }
}
