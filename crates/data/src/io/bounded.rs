//! Reading of configs, tokenizers, indices and recipes with an upper limit on the file size.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::io::encoding;

/// Largest accepted file in bytes, 64 MiB; real configs, tokenizers and indices have up to 20 MB.
pub const LARGEST: u64 = 64 << 20;

/// Reads a file of at most [`LARGEST`] bytes. The limit applies while reading, because the size that the file system
/// reports can be 0 or change.
///
/// # Errors
/// When the file cannot be opened or read, or is larger ([`io::ErrorKind::FileTooLarge`]).
pub fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let problem = format!("is larger than the limit of {LARGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// Reads a UTF-8 text file of at most [`LARGEST`] bytes, without its byte order mark.
///
/// # Errors
/// When the file cannot be opened or read, is larger, or is not UTF-8 ([`io::ErrorKind::InvalidData`]); see
/// [`encoding::text`].
pub fn text(path: &Path) -> io::Result<String> {
    encoding::text(bytes(path)?).map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))
}

/// Returns advice on an error of [`text`]: to save the file as UTF-8 if it has another encoding, else `otherwise`.
#[must_use]
pub fn advice<'a>(error: &io::Error, otherwise: &'a str) -> &'a str {
    match error.kind() {
        io::ErrorKind::InvalidData => "save the file as UTF-8 text, or name another file",
        _ => otherwise,
    }
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
        let unread = [text(&path), text(&folder.path().join("absent"))].map(|read| read.expect_err("no text"));
        let advised = unread.each_ref().map(|error| advice(error, "check the path"));
        assert_eq!(advised, ["save the file as UTF-8 text, or name another file", "check the path"]);
        std::fs::write(&path, b"\xef\xbb\xbf{}").expect("written");
        assert_eq!(text(&path).expect("a text"), "{}", "without its byte order mark");
        std::fs::write(&path, b"\xff\xfe{\0}\0").expect("written");
        assert_eq!(text(&path).expect_err("no text").to_string(), "is UTF-16, not UTF-8 text");
    }
}
