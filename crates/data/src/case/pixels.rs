//! Record of how an import made the pixels of an image.

use serde::{Deserialize, Serialize};

/// How the pixels of an image file were made from a file of the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pixels {
    /// Path of the source's file, relative to its folder. None for DICOM, because file names can identify a person, and
    /// for images inside a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of the source's file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Format of the source's file.
    pub kind: SourceKind,
    /// Bits of a sample in the source's file.
    pub bits: u16,
    /// How values became grey levels: `LOW:HIGH`, `window:CENTRE/WIDTH`, or words for a table of the file. None when
    /// 8-bit samples stayed as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// Window `[centre, width]` in values of the source after rescaling; None when another mapping was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<[f64; 2]>,
    /// Whether grey levels were inverted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverted: bool,
    /// How the stored pixels were turned or mirrored, in words; None when they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    /// Frame of a file with several, counted from 1; None for other files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u32>,
    /// Plane and index of a slice of a volume, as in `axial 12`; None for other files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
}

/// Format of an image file of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// TIFF.
    Tiff,
    /// WebP.
    Webp,
    /// BMP.
    Bmp,
    /// DICOM.
    Dicom,
    /// NIfTI.
    Nifti,
}

impl SourceKind {
    /// Words of all kinds in the key `kind`, in the order of the variants.
    pub const WORDS: &[&str] = &["png", "jpeg", "tiff", "webp", "bmp", "dicom", "nifti"];

    /// Returns the name of the format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Tiff => "TIFF",
            Self::Webp => "WebP",
            Self::Bmp => "BMP",
            Self::Dicom => "DICOM",
            Self::Nifti => "NIfTI",
        }
    }
}

impl Pixels {
    /// Returns the record in words, one entry a fact, in order.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut words = vec![format!("made from {}, {} bits", self.kind.name(), self.bits)];
        words.extend(self.source.as_ref().map(|path| format!("source file {path}")));
        words.extend(self.slice.as_ref().map(|slice| format!("slice {slice}")));
        words.extend(self.frame.map(|frame| format!("frame {frame}")));
        words.extend(self.mapping.as_ref().map(|mapping| format!("grey levels {mapping}")));
        words.extend(self.inverted.then(|| "inverted".to_owned()));
        words.extend(self.turn.clone());
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_file() {
        let kinds = [
            SourceKind::Png,
            SourceKind::Jpeg,
            SourceKind::Tiff,
            SourceKind::Webp,
            SourceKind::Bmp,
            SourceKind::Dicom,
            SourceKind::Nifti,
        ];
        for (kind, word) in kinds.iter().zip(SourceKind::WORDS) {
            assert_eq!(serde_json::to_value(kind).expect("serializes"), *word);
        }
        assert_eq!(kinds.len(), SourceKind::WORDS.len());
    }

    #[test]
    fn facts_are_named_and_missing_ones_are_not() {
        let mut pixels = Pixels {
            source: None,
            sha256: "0".into(),
            kind: SourceKind::Dicom,
            bits: 12,
            mapping: Some("window:40/400".into()),
            window: Some([40.0, 400.0]),
            inverted: true,
            turn: None,
            frame: Some(2),
            slice: None,
        };
        let expected = ["made from DICOM, 12 bits", "frame 2", "grey levels window:40/400", "inverted"];
        assert_eq!(pixels.describe(), expected);
        pixels.inverted = false;
        let text = serde_json::to_string(&pixels).expect("serializes");
        assert!(!text.contains("inverted") && !text.contains("source"), "{text}");
        assert_eq!(serde_json::from_str::<Pixels>(&text).expect("reads"), pixels);
    }
}
