//! Reading small files, those of a folder and recipes: never more of one than such a file has.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// No configuration, tokenizer or index is larger; real ones have up to 20 MB.
pub const LARGEST: u64 = 64 << 20;

/// The bytes of a file, at most [`LARGEST`]: bounded while reading, for what the file system says of its size may be 0 or
/// change.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let problem = format!("is larger than {LARGEST} bytes, the most that is read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// As [`bytes`], and when it is not UTF-8.
pub fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(bytes(path)?).map_err(|error| {
        let place = error.utf8_error().valid_up_to() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("is not UTF-8 from byte {place} on"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_or_no_text_is_refused() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("config.json");
        // A file of holes: it takes no room on the disk.
        File::create(&path).and_then(|file| file.set_len(LARGEST)).expect("made");
        assert_eq!(bytes(&path).expect("just small enough").len() as u64, LARGEST);
        File::create(&path).and_then(|file| file.set_len(LARGEST + 1)).expect("made");
        assert_eq!(bytes(&path).expect_err("too large").kind(), io::ErrorKind::FileTooLarge);
        std::fs::write(&path, b"ab\xff").expect("written");
        assert_eq!(text(&path).expect_err("no text").to_string(), "is not UTF-8 from byte 3 on");
    }
}
