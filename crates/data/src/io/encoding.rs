//! Encoding of text files: UTF-8, with or without a byte order mark.

/// Returns `bytes` without the byte order mark of UTF-8 that some editors write at the start of a file. Bytes without
/// one are returned as they are.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// Decodes the UTF-8 text of a file and drops a byte order mark.
///
/// # Errors
/// When the bytes begin like another encoding or format ([`other_kind`]) or are not UTF-8. The message continues a
/// sentence about the file: "is UTF-16, not UTF-8 text", or "is not UTF-8 from byte 12 on", counted from 1.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    if let Some(kind) = other_kind(&bytes) {
        return Err(format!("is {kind}, not UTF-8 text"));
    }
    let decoded = String::from_utf8(bytes);
    let text =
        decoded.map_err(|error| format!("is not UTF-8 from byte {} on", error.utf8_error().valid_up_to() + 1))?;
    Ok(match text.strip_prefix('\u{FEFF}') {
        Some(bare) => bare.to_owned(),
        None => text,
    })
}

/// Returns the name of the encoding or format that a file which is not UTF-8 text has, by its first bytes: UTF-16,
/// UTF-32, gzip, ZIP, Parquet, PNG, JPEG or PDF. None for any other start, which may be UTF-8.
#[must_use]
pub fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("UTF-16"),
        [0, 0, 0, 1..=255, ..] | [1..=255, 0, 0, 0, ..] => Some("UTF-32"),
        [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..] => Some("UTF-16"),
        [0x1F, 0x8B, ..] => Some("compressed by gzip"),
        [b'P', b'K', 3, 4, ..] => Some("a ZIP archive"),
        [b'P', b'A', b'R', b'1', ..] => Some("a Parquet file"),
        [0x89, b'P', b'N', b'G', ..] => Some("a PNG image"),
        [0xFF, 0xD8, 0xFF, ..] => Some("a JPEG image"),
        [b'%', b'P', b'D', b'F', ..] => Some("a PDF file"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let marked = mark.then_some('\u{FEFF}').into_iter().chain(text.chars()).collect::<String>();
        marked.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_mark_is_dropped_and_other_encodings_are_named() {
        assert_eq!(text(b"\xEF\xBB\xBF{}".to_vec()), Ok("{}".to_owned()));
        assert_eq!((without_mark(b"\xEF\xBB\xBF{}"), without_mark(b"{}")), (b"{}".as_slice(), b"{}".as_slice()));
        for mark in [true, false] {
            for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                let refused = text(utf16("{\"a\": 1}", mark, bytes));
                assert_eq!(refused, Err("is UTF-16, not UTF-8 text".to_owned()), "{mark}");
            }
        }
        assert_eq!(text(b"ab\xff".to_vec()), Err("is not UTF-8 from byte 3 on".to_owned()));
        assert_eq!(text("é".into()), Ok("é".to_owned()));
    }
}
