//! Rules of the files that a case names.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::{Faults, Files};
use crate::case::{Case, Image, Shape};
use crate::dhash::parse_phash;
use crate::image::{decode_image, image_size, load_mask, read_file, sha256_hex};
use crate::io::contained::{self, is_inside};
use crate::near_duplicates::Fingerprint;

/// Checks the image and mask files of a case and adds the problems to `faults`: files that are missing, outside the
/// folder of the data set or unreadable, and sizes that differ from the recorded ones; with [`Files::Contents`] also
/// digests, hashes, mask boxes and files that cannot be decoded. Paths that the rules of the record refuse are passed
/// over. Returns the fingerprint of each image; None for an image that was not decoded or is not the recorded one.
pub(super) fn check(case: &Case, files: Files, faults: &mut Faults) -> Vec<Option<Fingerprint>> {
    let mut check_at = |(index, image): (usize, &Image)| {
        let at = format!("images[{index}]");
        let path = sized(&image.path, image, &format!("{at}.path"), faults)?;
        if files == Files::Contents { check_image(image, &path, &at, faults) } else { None }
    };
    let fingerprints = case.images.iter().enumerate().map(&mut check_at).collect();
    for (index, region) in case.regions.iter().enumerate() {
        let Shape::Mask { path, bounds } = &region.shape else { continue };
        let Some(image) = case.images.iter().find(|image| image.id == region.image) else { continue };
        let at = format!("regions[{index}]");
        let field = format!("{at}.path");
        let Some(path) = sized(path, image, &field, faults) else { continue };
        if files == Files::Contents {
            match load_mask(&path).map(|mask| mask.bounds()) {
                Ok(Some(found)) if found == *bounds => {}
                Ok(Some(found)) => {
                    let what = format!("is {bounds:?}, but the box around the mask is {found:?}");
                    faults.add(format!("{at}.box"), what, "record the box around the mask's non-zero pixels");
                }
                Ok(None) => faults.add(field, "the mask is empty", "remove the region, or correct the mask"),
                Err(error) => unreadable(&error, &field, faults),
            }
        }
    }
    fingerprints
}

/// Returns the path of a file if it exists inside the data set's folder, links followed. Else reports why not.
fn existing(relative: &str, field: &str, faults: &mut Faults) -> Option<PathBuf> {
    if !is_inside(relative) {
        return None; // Already reported by the rules of the record.
    }
    match contained::resolve(&faults.dataset.root, relative) {
        Ok(path) => Some(path),
        Err(error) => {
            unreadable(&error, field, faults);
            None
        }
    }
}

/// Returns the path of a readable image file, as [`existing`] does, and checks that its size is the one recorded
/// for `image`.
fn sized(relative: &str, image: &Image, field: &str, faults: &mut Faults) -> Option<PathBuf> {
    let path = existing(relative, field, faults)?;
    match image_size(&path) {
        Ok((width, height)) => {
            if (width, height) != (image.width, image.height) {
                let what = format!("is {width}x{height} pixels, not {}x{}", image.width, image.height);
                faults.add(
                    field,
                    what,
                    format!("make the file agree with the size recorded for image \"{}\"", image.id),
                );
            }
            Some(path)
        }
        Err(error) => {
            unreadable(&error, field, faults);
            None
        }
    }
}

/// Checks digest and hash of an image file. Returns the fingerprint of the image, None if it cannot be decoded or has
/// another digest.
fn check_image(image: &Image, path: &Path, at: &str, faults: &mut Faults) -> Option<Fingerprint> {
    let field = format!("{at}.path");
    let bytes = read_file(path).map_err(|error| unreadable(&error, &field, faults)).ok()?;
    let digest = sha256_hex(&bytes);
    if digest != image.sha256 {
        let what = format!("is {}, but the digest of the file is {digest}", image.sha256);
        faults.add(format!("{at}.sha256"), what, "restore the file, or record its digest");
    }
    let picture = decode_image(&bytes, path).map_err(|error| unreadable(&error, &field, faults)).ok()?;
    let found = Fingerprint::of(&picture);
    let recorded = image.phash.as_deref().and_then(parse_phash);
    if let Some(recorded) = recorded.filter(|recorded| *recorded != found.hash) {
        let what = format!("is {recorded:016x}, but the hash of the image is {:016x}", found.hash);
        faults.add(format!("{at}.phash"), what, "record the hash of the image");
    }
    (digest == image.sha256).then_some(found)
}

/// Reports an error as a problem. The message of the error is split at its arrow into problem and advice.
fn unreadable(error: &impl Display, field: &str, faults: &mut Faults) {
    let text = error.to_string();
    let (what, advice) = text.split_once(" -> ").unwrap_or((&text, "correct the file"));
    faults.add(field, what, advice);
}
