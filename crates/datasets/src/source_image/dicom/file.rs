//! File meta information (PS3.10, section 7), and the data set that follows.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::DeflateDecoder;
use stepwise_data::image::MAX_FILE_BYTES;

use super::super::refused::Refused;
use super::elements::{Elements, damaged};
use super::encoding::{Encoding, TransferSyntax};

/// Bytes before the magic number.
const PREAMBLE: usize = 128;
const MAGIC: &[u8] = b"DICM";
const TRANSFER_SYNTAX: u32 = 0x0002_0010;

/// Returns the data set of a file and its transfer syntax. A file without file meta information is read as uncompressed;
/// its first element shows the encoding.
///
/// # Errors
/// When the file is damaged, or has a transfer syntax that is not read.
pub(super) fn open(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, TransferSyntax), Refused> {
    let has_magic = bytes.get(PREAMBLE..).is_some_and(|rest| rest.starts_with(MAGIC));
    let bytes = if has_magic { &bytes[PREAMBLE + MAGIC.len()..] } else { bytes };
    let mut meta = Elements::new(bytes, Encoding::EXPLICIT);
    let mut syntax = None;
    while meta.peek().is_some_and(|tag| tag >> 16 == 2) {
        let Some(element) = meta.next()? else { break };
        if element.tag == TRANSFER_SYNTAX {
            let uid = String::from_utf8_lossy(element.value);
            syntax = Some(TransferSyntax::of(uid.trim_end_matches(['\0', ' ']))?);
        }
    }
    let rest = &bytes[meta.position()..];
    let syntax = match syntax {
        Some(syntax) => syntax,
        None => guessed(rest, has_magic)?,
    };
    if !syntax.is_deflated {
        return Ok((Cow::Borrowed(rest), syntax));
    }
    let mut inflated = Vec::new();
    DeflateDecoder::new(rest)
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut inflated)
        .map_err(|error| damaged(&format!("its data set cannot be inflated: {error}")))?;
    if inflated.len() as u64 > MAX_FILE_BYTES {
        let what = format!("the DICOM file inflates to more than {MAX_FILE_BYTES} bytes");
        return Err(Refused::new(what, "check that it is an image"));
    }
    Ok((Cow::Owned(inflated), syntax))
}

/// Recognises the encoding by the first element. Without the magic number its group must be 8.
fn guessed(bytes: &[u8], has_magic: bool) -> Result<TransferSyntax, Refused> {
    let uid = match bytes {
        [0, 8, _, _, a, b, ..] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => "1.2.840.10008.1.2.2",
        [group, 0, _, _, a, b, ..]
            if (has_magic || *group == 8) && a.is_ascii_uppercase() && b.is_ascii_uppercase() =>
        {
            "1.2.840.10008.1.2.1"
        }
        [group, 0, ..] if has_magic || *group == 8 => "1.2.840.10008.1.2",
        _ => return Err(Refused::new("the file is no DICOM file", "convert it to PNG, or leave it out")),
    };
    TransferSyntax::of(uid)
}
