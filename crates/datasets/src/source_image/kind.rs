//! Recognition of the format of an image file.

use std::path::Path;

use image::ImageFormat;
use stepwise_data::case::SourceKind;

/// Extensions of image files that importers read, in lower case. `.nii.gz` is found by its last part and its content.
pub(crate) const EXTENSIONS: &[&str] = &["png", "jpg", "jpeg", "tif", "tiff", "webp", "bmp"];

/// Position and text of the magic number of a DICOM file (PS3.10, 7.1).
const DICOM_AT: usize = 128;
const DICOM: &[u8] = b"DICM";

/// Recognises the format of a file by its first bytes. Files without a magic number are DICOM when their name says so.
/// Returns None for other files.
pub(crate) fn kind(bytes: &[u8], path: &Path) -> Option<SourceKind> {
    let has_dicom_magic = bytes.get(DICOM_AT..).is_some_and(|rest| rest.starts_with(DICOM));
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => return Some(SourceKind::Png),
        Ok(ImageFormat::Jpeg) => return Some(SourceKind::Jpeg),
        // The preamble of a DICOM file may be the header of a TIFF (PS3.10, 7.1).
        _ if has_dicom_magic => return Some(SourceKind::Dicom),
        Ok(ImageFormat::Tiff) => return Some(SourceKind::Tiff),
        Ok(ImageFormat::WebP) => return Some(SourceKind::Webp),
        Ok(ImageFormat::Bmp) => return Some(SourceKind::Bmp),
        _ => {}
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if is_dicom_name(&name) {
        return Some(SourceKind::Dicom);
    }
    (name.ends_with(".nii") || name.ends_with(".nii.gz")).then_some(SourceKind::Nifti)
}

/// Returns whether a file name, in lower case, has an extension of DICOM files.
pub(crate) fn is_dicom_name(name: &str) -> bool {
    [".dcm", ".dicom", ".ima"].iter().any(|extension| name.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n", Path::new("a.dcm")), Some(SourceKind::Png));
        assert_eq!(kind(b"II*\0", Path::new("a")), Some(SourceKind::Tiff));
        assert_eq!(kind(b"RIFF\0\0\0\0WEBP", Path::new("a.png")), Some(SourceKind::Webp));
        let dicom = [&[0; DICOM_AT][..], DICOM].concat();
        assert_eq!(kind(&dicom, Path::new("1.2.840")), Some(SourceKind::Dicom));
        let dual = [b"II*\0", &dicom[4..]].concat();
        assert_eq!(kind(&dual, Path::new("a.tif")), Some(SourceKind::Dicom));
        assert_eq!(kind(b"", Path::new("A.DCM")), Some(SourceKind::Dicom));
        assert_eq!(kind(b"\x1f\x8b", Path::new("a.nii.gz")), Some(SourceKind::Nifti));
        assert_eq!(kind(b"GIF89a", Path::new("a.gif")), None);
    }
}
