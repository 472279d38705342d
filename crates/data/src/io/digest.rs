//! SHA-256 digests of files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Computes the SHA-256 of a file. Returns the digest in lower-case hexadecimal and the number of bytes of the file.
///
/// # Errors
/// When the file cannot be read.
pub fn sha256_file(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hex(&hash.finalize()), length)),
            count => {
                hash.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
}

/// Formats `bytes` as lower-case hexadecimal digits, two for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns whether `text` is a SHA-256 as this project writes it: 64 lower-case hexadecimal digits.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha256() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").expect("writable");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_file(&path).expect("there"), (expected.into(), 3));
        assert!(is_sha256(expected));
        for other in [&expected[1..], &expected.to_uppercase(), &expected.replace('b', "g"), ""] {
            assert!(!is_sha256(other), "{other}");
        }
    }
}
