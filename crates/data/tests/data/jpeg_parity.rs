//! JPEG files decode to the pixels of libjpeg-turbo, and to nothing when a part of them is missing. The files are made by
//! `tests/parity/jpeg_reference.py`; the PNG beside each holds the pixels that Pillow gives.

use std::fs;
use std::path::{Path, PathBuf};

use stepwise_data::image::{ImageError, decode_image, image_size, load_image};

fn small_set() -> Vec<PathBuf> {
    jpegs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/jpeg"))
}

fn jpegs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "jpg")).collect();
    found.sort();
    assert!(found.len() > 10, "{}", folder.display());
    found
}

fn equals_its_png(path: &Path) {
    let picture = load_image(path).expect("decodes");
    let reference = load_image(&path.with_extension("png")).expect("decodes");
    assert_eq!(image_size(path).expect("has a header"), reference.dimensions(), "{}", path.display());
    assert!(picture == reference, "{}: other pixels than libjpeg-turbo", path.display());
}

fn is_cut_off(bytes: &[u8]) -> bool {
    matches!(decode_image(bytes, Path::new("a.jpg")), Err(ImageError::CutOff(_)))
}

/// Cuts a file at every byte: as it is, with an end marker put on, and filled up with zeros.
fn is_refused_when_cut(path: &Path, step: usize) {
    let whole = fs::read(path).expect("a file");
    assert_eq!(whole[whole.len() - 2..], [0xff, 0xd9]);
    // Fewer than three bytes are no JPEG file.
    for length in (3..whole.len()).step_by(step) {
        let place = format!("{} cut to {length} of {} bytes", path.display(), whole.len());
        let mut cut = whole[..length].to_vec();
        assert!(is_cut_off(&cut), "{place}");
        cut.extend([0xff, 0xd9]);
        // Where only the old end marker is gone, the new one completes the file.
        assert_eq!(decode_image(&cut, path).is_ok(), length >= whole.len() - 2, "{place}, with an end marker");
        cut.truncate(length);
        cut.resize(whole.len() + 100, 0);
        assert!(decode_image(&cut, path).is_err(), "{place}, filled up with zeros");
    }
}

#[test]
fn pixels_are_those_of_libjpeg_turbo() {
    small_set().iter().for_each(|path| equals_its_png(path));
}

#[test]
fn a_cut_file_is_refused_wherever_it_is_cut() {
    small_set().iter().for_each(|path| is_refused_when_cut(path, 1));
}

#[test]
fn a_cut_file_is_refused_by_name() {
    let path = small_set().remove(0);
    let bytes = fs::read(&path).expect("a file");
    let error = decode_image(&bytes[..bytes.len() / 2], Path::new("scan.jpg")).expect_err("cut off").to_string();
    assert_eq!(error, "scan.jpg: cannot be decoded: the file is cut off -> copy it again from its source");
    let folder = tempfile::tempdir().expect("writable");
    let cut = folder.path().join("header.jpg");
    fs::write(&cut, &bytes[..200]).expect("written");
    assert!(matches!(image_size(&cut), Err(ImageError::CutOff(_))));
}

#[test]
fn a_file_that_is_damaged_inside_is_not_called_cut_off() {
    for path in small_set() {
        let whole = fs::read(&path).expect("a file");
        // Bytes before the end marker are missing, as where data inside the file were lost.
        let mut lacking = whole[..whole.len() - 8].to_vec();
        lacking.extend([0xff, 0xd9]);
        let error = decode_image(&lacking, &path).expect_err("damaged");
        assert!(!matches!(error, ImageError::CutOff(_)), "{error}");
        assert!(error.to_string().contains("damaged"), "{error}");
    }
}

#[test]
fn bytes_behind_the_end_marker_do_not_matter() {
    for path in small_set() {
        let mut bytes = fs::read(&path).expect("a file");
        let picture = decode_image(&bytes, &path).expect("decodes");
        // Zeros, or a second image as in the files of some cameras.
        for tail in [vec![0; 7], bytes[..bytes.len() / 2].to_vec()] {
            bytes.extend(tail);
            assert!(decode_image(&bytes, &path).expect("decodes") == picture, "{}", path.display());
        }
    }
}

#[test]
#[ignore = "needs JPEG_SET, a folder made by `jpeg_reference.py --many`"]
fn the_large_set_has_the_pixels_of_libjpeg_turbo_and_is_refused_when_cut() {
    let folder = std::env::var("JPEG_SET").expect("JPEG_SET names a folder");
    for (place, path) in jpegs(Path::new(&folder)).iter().enumerate() {
        equals_its_png(path);
        if place % 7 == 0 {
            is_refused_when_cut(path, 3);
        }
    }
}
