//! Transfer syntaxes (DICOM PS3.5, annex A; PS3.6, annex A).

use super::super::refused::Refused;

/// How data elements are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Whether each element states its value representation.
    pub(super) is_explicit: bool,
    /// Whether numbers are big endian.
    pub(super) is_big: bool,
}

impl Encoding {
    /// Explicit little endian, the encoding of file meta information.
    pub(super) const EXPLICIT: Self = Self { is_explicit: true, is_big: false };
    /// Implicit little endian.
    pub(super) const IMPLICIT: Self = Self { is_explicit: false, is_big: false };

    /// Reads two bytes as a number.
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    /// Reads four bytes as a number.
    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// Compression of pixel data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// None.
    None,
    /// Run lengths (PS3.5, annex G).
    Rle,
    /// JPEG: baseline, extended or lossless.
    Jpeg,
}

/// Transfer syntax of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TransferSyntax {
    /// Encoding of data elements.
    pub(super) encoding: Encoding,
    /// Compression of pixel data.
    pub(super) compression: Compression,
    /// Whether the data set after the file meta information is deflated.
    pub(super) is_deflated: bool,
}

impl TransferSyntax {
    /// Returns the transfer syntax with the UID `uid`.
    ///
    /// # Errors
    /// When it is not read; the message names it.
    pub(super) fn of(uid: &str) -> Result<Self, Refused> {
        let plain = |encoding| Self { encoding, compression: Compression::None, is_deflated: false };
        let packed = |compression| Self { compression, ..plain(Encoding::EXPLICIT) };
        let name = match uid.strip_prefix("1.2.840.10008.1.2").unwrap_or(uid) {
            "" => return Ok(plain(Encoding::IMPLICIT)),
            ".1" => return Ok(plain(Encoding::EXPLICIT)),
            ".1.99" => return Ok(Self { is_deflated: true, ..plain(Encoding::EXPLICIT) }),
            ".2" => return Ok(plain(Encoding { is_explicit: true, is_big: true })),
            ".5" => return Ok(packed(Compression::Rle)),
            ".4.50" | ".4.51" | ".4.57" | ".4.70" => return Ok(packed(Compression::Jpeg)),
            ".4.80" => "JPEG-LS lossless",
            ".4.81" => "JPEG-LS near-lossless",
            ".4.90" | ".4.92" => "JPEG 2000 lossless",
            ".4.91" | ".4.93" => "JPEG 2000",
            ".4.201" | ".4.202" | ".4.203" => "High-Throughput JPEG 2000",
            ".4.110" => "JPEG XL lossless",
            ".4.111" | ".4.112" => "JPEG XL",
            ".4.94" | ".4.95" | ".4.204" | ".4.205" => "JPIP, whose pixels are elsewhere",
            video if video.starts_with(".4.10") => "video",
            _ => "a transfer syntax that is not known",
        };
        let what = format!("the DICOM file is compressed as {name} ({uid}), which is not read");
        let advice = "decompress it, for example with `gdcmconv --raw` or `dcmdjpeg`, and import the result";
        Err(Refused::new(what, advice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_refused_by_name() {
        assert_eq!(TransferSyntax::of("1.2.840.10008.1.2").map(|found| found.encoding), Ok(Encoding::IMPLICIT));
        assert_eq!(TransferSyntax::of("1.2.840.10008.1.2.5").map(|found| found.compression), Ok(Compression::Rle));
        for (uid, name) in [
            ("1.2.840.10008.1.2.4.90", "JPEG 2000 lossless"),
            ("1.2.840.10008.1.2.4.81", "JPEG-LS near-lossless"),
            ("1.2.840.10008.1.2.4.201", "High-Throughput"),
            ("1.2.840.10008.1.2.4.103", "video"),
            ("1.2.3", "not known"),
        ] {
            let refused = TransferSyntax::of(uid).expect_err("not read").to_string();
            assert!(refused.contains(name) && refused.contains(uid) && refused.contains(" -> "), "{refused}");
        }
    }
}
