//! Images of a source: found below its folder, decoded, and copied to the output once each.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::metadata::Orientation;
use image::{ImageDecoder as _, ImageReader};
use stepwise_data::case::Image;
use stepwise_data::image::{decode_image, read_file, sha256_hex};
use stepwise_data::io::contained;
use stepwise_data::problem::Problems;

use super::entry::{ImageAt, ImageRef};
use super::record::Place;
use crate::import::ImportError;
use crate::output::{Output, slug};

/// Longest part of a file name that is taken from the source, in bytes.
const LONGEST_NAME: usize = 48;

/// An image of the output.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// Record of the image.
    pub(super) image: Image,
    /// Name for ids: from the source's path, with the start of the digest.
    pub(super) name: String,
    /// Whether the file has an EXIF orientation, so that the image as shown differs from the stored one.
    pub(super) is_turned: bool,
    /// Whether the orientation exchanges width and height.
    pub(super) swaps_sides: bool,
}

/// Images that were copied so far.
pub(super) struct Pictures {
    /// Output folder.
    pub(super) output: Output,
    /// Images in the order of their first use; equal files are one image.
    pub(super) all: Vec<Picture>,
    by_path: BTreeMap<PathBuf, usize>,
    by_digest: BTreeMap<String, usize>,
}

impl Pictures {
    /// Copies into `output`.
    pub(super) fn new(output: Output) -> Self {
        Self { output, all: Vec::new(), by_path: BTreeMap::new(), by_digest: BTreeMap::new() }
    }

    /// Returns the index in [`Pictures::all`] of an image that the record at `place` names.
    ///
    /// # Errors
    /// When the reference is an address, leads out of its folder, or names no image that can be read; or the copy cannot
    /// be written.
    pub(super) fn add(&mut self, place: &Place, wanted: &ImageRef) -> Result<usize, ImportError> {
        let (path, name, bytes) = match &wanted.at {
            ImageAt::File { root, path } => {
                let found = resolve(root, path).map_err(|(what, advice)| place.problem(&wanted.field, what, advice))?;
                if let Some(known) = self.by_path.get(&found) {
                    return Ok(*known);
                }
                let bytes = read_file(&found).map_err(|error| problem(place, &wanted.field, &error.to_string()))?;
                (found, path.clone(), bytes)
            }
            ImageAt::Base64(name, text) => {
                let bytes = STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).map_err(|error| {
                    place.problem(&wanted.field, format!("is no base64: {error}"), "give an image file as base64")
                })?;
                (PathBuf::from(name), name.clone(), bytes)
            }
        };
        let digest = sha256_hex(&bytes);
        let index = match self.by_digest.get(&digest) {
            Some(known) => *known,
            None => {
                let picture =
                    decode_image(&bytes, &path).map_err(|error| problem(place, &wanted.field, &error.to_string()))?;
                let name = format!("{}-{}", short(&name), &digest[..8]);
                let extension = if bytes.starts_with(b"\x89PNG") { "png" } else { "jpg" };
                let image = self.output.bytes(&bytes, &picture, &format!("{name}.{extension}"))?;
                let [is_turned, swaps_sides] = turns(&bytes);
                self.all.push(Picture { image, name, is_turned, swaps_sides });
                self.by_digest.insert(digest, self.all.len() - 1);
                self.all.len() - 1
            }
        };
        if matches!(wanted.at, ImageAt::File { .. }) {
            self.by_path.insert(path, index);
        }
        Ok(index)
    }
}

/// Returns the file below `root` that a source names, or what is wrong and what to do about it.
fn resolve(root: &Path, path: &str) -> Result<PathBuf, (String, String)> {
    if path.contains("://") {
        let advice = "download the image yourself and write its path; nothing is fetched";
        return Err((format!("{path:?} is an address"), advice.to_owned()));
    }
    let relative = path.trim().trim_start_matches("./");
    contained::resolve(root, relative).map_err(|error| split(&error.to_string()))
}

/// Splits a message at its advice.
fn split(message: &str) -> (String, String) {
    let (what, advice) = message.split_once(" -> ").unwrap_or((message, "correct the file"));
    (what.to_owned(), advice.to_owned())
}

fn problem(place: &Place, field: &str, message: &str) -> Problems {
    let (what, advice) = split(message);
    place.problem(field, what, advice)
}

/// Name of an image from its path: without the extension, with at most the last [`LONGEST_NAME`] letters.
fn short(path: &str) -> String {
    let whole = slug(Path::new(path.trim_start_matches("./")).with_extension("").to_string_lossy().as_ref());
    let short = &whole[whole.len().saturating_sub(LONGEST_NAME)..];
    let short = short.trim_matches('-');
    if short.is_empty() { "image".to_owned() } else { short.to_owned() }
}

/// Returns whether a file has an EXIF orientation other than upright, and whether that exchanges width and height.
fn turns(bytes: &[u8]) -> [bool; 2] {
    use Orientation::{NoTransforms, Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok();
    match reader.and_then(|reader| reader.into_decoder().ok()?.orientation().ok()) {
        None | Some(NoTransforms) => [false, false],
        Some(Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH) => [true, true],
        Some(_) => [true, false],
    }
}
