//! Images of a source: found below its folder, decoded, and copied or converted to the output once each.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::metadata::Orientation;
use serde::{Deserialize, Serialize};
use stepwise_data::case::{Image, Pixels, Shape, SourceKind};
use stepwise_data::image::{Mask, read_file, sha256_hex};
use stepwise_data::io::contained;
use stepwise_data::problem::Problems;

use super::entry::{ImageAt, ImageRef};
use super::journal::{Journal, Known};
use super::record::Place;
use super::tally::Tally;
use super::turned::turned_mask;
use crate::import::ImportError;
use crate::output::{Output, slug};
use crate::source_image::{
    DrawnOn, Facts, Mapping, PixelOptions, Plane, Refused, SourceImage, Volume, file_sha256, kind, read,
};

/// Longest part of a file name that is taken from the source, in bytes.
const LONGEST_NAME: usize = 48;

/// An image of the output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Picture {
    /// Record of the image.
    pub(super) image: Image,
    /// Name for ids: from the source's path, with the start of the digest.
    pub(super) name: String,
    /// SHA-256 of the source's file, 64 lower-case hexadecimal digits.
    pub(super) source_sha256: String,
    /// How the EXIF orientation turns the stored pixels.
    #[serde(with = "as_exif")]
    pub(super) turn: Orientation,
    /// Width and height in pixels as stored.
    pub(super) stored: (u32, u32),
    /// What the file records beside the pixels.
    pub(super) facts: Facts,
    /// Remarks on the pixels for the report.
    remarks: Vec<String>,
}

/// Orientations as their EXIF values, 1 to 8.
mod as_exif {
    use image::metadata::Orientation;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(turn: &Orientation, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(turn.to_exif())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Orientation, D::Error> {
        let value = u8::deserialize(deserializer)?;
        Orientation::from_exif(value).ok_or_else(|| D::Error::custom(format!("{value} is no EXIF orientation")))
    }
}

/// Images that were copied so far.
pub(super) struct Pictures {
    /// Output folder.
    pub(super) output: Output,
    /// Images in the order of their first use; equal files are one image.
    pub(super) all: Vec<Picture>,
    by_path: BTreeMap<PathBuf, usize>,
    by_digest: BTreeMap<String, usize>,
    /// Masks that were written, by path relative to the output folder, each with a hash of its pixels.
    masks: BTreeMap<String, u64>,
    journal: Journal,
    /// Volume whose slices were read last.
    volume: Option<OpenVolume>,
}

/// A volume whose slices are read.
struct OpenVolume {
    path: PathBuf,
    volume: Volume,
    mapping: Mapping,
    sha256: String,
}

impl OpenVolume {
    fn open(path: PathBuf, options: &PixelOptions) -> Result<Self, Refused> {
        let volume = Volume::open(&path, options.frame)?;
        let mapping = volume.mapping(options);
        let mapping =
            mapping.map_err(|error| Refused::new(format!("{}: {}", path.display(), error.what), error.advice))?;
        let sha256 = file_sha256(&path)?;
        Ok(Self { path, volume, mapping, sha256 })
    }
}

impl Pictures {
    /// Copies into `output`, going on with the images that an interrupted import wrote there. `import` describes the
    /// import; only one of the same description goes on.
    ///
    /// # Errors
    /// When the folder holds another interrupted import, or its journal cannot be written.
    pub(super) fn new(output: Output, import: &str) -> Result<Self, ImportError> {
        let journal = Journal::open(output.root(), import)?;
        Ok(Self {
            output,
            all: Vec::new(),
            by_path: BTreeMap::new(),
            by_digest: BTreeMap::new(),
            masks: BTreeMap::new(),
            journal,
            volume: None,
        })
    }

    /// Returns the index in [`Pictures::all`] of an image that the record at `place` names.
    ///
    /// # Errors
    /// When the reference is an address, leads out of its folder, or names no image that can be read, or one that needs a
    /// choice that `options` does not make; or the copy cannot be written.
    pub(super) fn add(
        &mut self,
        place: &Place,
        wanted: &ImageRef,
        options: &PixelOptions,
    ) -> Result<usize, ImportError> {
        let (path, name, bytes) = match &wanted.at {
            ImageAt::Slice { root, path, plane, index } => {
                return self.add_slice(place, wanted, (root, path), (*plane, *index), options);
            }
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
            ImageAt::Bytes(name, bytes) => (PathBuf::from(name), name.clone(), bytes.to_vec()),
        };
        let digest = sha256_hex(&bytes);
        let index = match self.by_digest.get(&digest).copied() {
            Some(known) => known,
            None if self.take_over(&digest) => self.all.len() - 1,
            None => {
                let is_file = matches!(wanted.at, ImageAt::File { .. });
                let file = SourceFile { bytes: &bytes, digest: &digest, path: &path, name: &name, is_file };
                let found =
                    read(&bytes, &path, options).map_err(|refused| refused_at(place, &wanted.field, refused))?;
                let picture = self.written(&file, found)?;
                self.push(digest, picture)?
            }
        };
        if matches!(wanted.at, ImageAt::File { .. }) {
            self.by_path.insert(path, index);
        }
        Ok(index)
    }

    /// Adds the image with this digest as an interrupted import wrote it. Returns whether it did.
    fn take_over(&mut self, digest: &str) -> bool {
        let Some(Known { picture, fingerprint }) = self.journal.known(digest) else { return false };
        self.output.known(&picture.image, fingerprint);
        self.all.push(picture);
        self.by_digest.insert(digest.to_owned(), self.all.len() - 1);
        true
    }

    /// Adds and notes an image that was written, and returns its index.
    fn push(&mut self, digest: String, picture: Picture) -> Result<usize, ImportError> {
        if let Some(fingerprint) = self.output.fingerprint(&picture.image) {
            self.journal.note(&digest, &picture, fingerprint)?;
        }
        self.all.push(picture);
        self.by_digest.insert(digest, self.all.len() - 1);
        Ok(self.all.len() - 1)
    }

    /// Ends the journal: the import is complete but for the cases.
    pub(super) fn complete(&mut self) {
        self.journal.close();
    }

    /// Copies or converts a decoded file.
    fn written(&mut self, file: &SourceFile<'_>, found: SourceImage) -> Result<Picture, ImportError> {
        // File names of DICOM can identify a person.
        let is_dicom = kind(file.bytes, file.path) == Some(SourceKind::Dicom);
        let name = if is_dicom { "dicom".to_owned() } else { short(file.name) };
        let name = format!("{name}-{}", &file.digest[..8]);
        let SourceImage { picture, pixels, turn, facts, remarks } = found;
        let image = match pixels {
            None => {
                let extension = if file.bytes.starts_with(b"\x89PNG") { "png" } else { "jpg" };
                self.output.bytes(file.bytes, &picture.into_rgb8(), &format!("{name}.{extension}"))?
            }
            Some(pixels) => {
                let source = (file.is_file && !is_dicom).then(|| file.name.trim_start_matches("./").to_owned());
                let pixels = Pixels { source, ..pixels };
                self.output.converted(picture, &format!("{name}.png"), facts.orientation.as_deref(), pixels)?
            }
        };
        let (width, height) = (image.width, image.height);
        let stored = if swaps_sides(turn) { (height, width) } else { (width, height) };
        Ok(Picture { image, name, source_sha256: file.digest.to_owned(), turn, stored, facts, remarks })
    }

    /// Draws a slice of a volume, which stays open for the next one.
    fn add_slice(
        &mut self,
        place: &Place,
        wanted: &ImageRef,
        (root, path): (&Path, &str),
        (plane, index): (Plane, usize),
        options: &PixelOptions,
    ) -> Result<usize, ImportError> {
        let refused = |refused: Refused| refused_at(place, &wanted.field, refused);
        let found = resolve(root, path).map_err(|(what, advice)| place.problem(&wanted.field, what, advice))?;
        // Another volume is dropped before this one is opened, so that memory holds one.
        let open = match self.volume.take().filter(|open| open.path == found) {
            Some(open) => open,
            None => OpenVolume::open(found, options).map_err(refused)?,
        };
        let key = format!("{} {} {index}", open.sha256, plane.word());
        let (source_sha256, mapping) = (open.sha256.clone(), open.mapping);
        if self.by_digest.contains_key(&key) || self.take_over(&key) {
            self.volume = Some(open);
            return Ok(self.by_digest[&key]);
        }
        let path = path.trim_start_matches("./");
        let drawn = open.volume.drawn(plane, index, mapping, path, &source_sha256);
        self.volume = Some(open);
        let (picture, pixels) = drawn.map_err(refused)?;
        let stem = path.trim_end_matches(".gz").trim_end_matches(".nii");
        let name = format!("{}-{}-{index}-{}", short(stem), plane.word(), &source_sha256[..8]);
        let orientation = Volume::orientation(plane);
        let remarks = vec![format!("slice of a NIfTI volume, grey levels by {mapping}")];
        let image = self.output.converted(picture, &format!("{name}.png"), orientation, pixels)?;
        let stored = (image.width, image.height);
        let facts = Facts { orientation: orientation.map(str::to_owned), ..Facts::default() };
        let picture = Picture { image, name, source_sha256, turn: Orientation::NoTransforms, stored, facts, remarks };
        self.push(key, picture)
    }

    /// Writes the mask of the region with index `region` on the image with index `image`, turned along with it. Returns
    /// the region; None for a mask without a pixel inside.
    ///
    /// # Errors
    /// When the mask cannot be written.
    pub(super) fn add_mask(
        &mut self,
        image: usize,
        (region, label): (usize, &str),
        mask: &Mask,
        drawn_on: DrawnOn,
    ) -> Result<Option<Shape>, ImportError> {
        let picture = &self.all[image];
        let is_turned = drawn_on == DrawnOn::Stored && picture.turn != Orientation::NoTransforms;
        let turned = is_turned.then(|| turned_mask(mask, picture.turn));
        let mask = turned.as_ref().unwrap_or(mask);
        let Some(bounds) = mask.bounds() else { return Ok(None) };
        // The rows of an image may share its masks.
        let name = format!("{}-{region}-{}", picture.name, slug(label));
        let path = self.write_mask(&name, mask)?;
        Ok(Some(Shape::Mask { path, bounds }))
    }

    /// Writes the mask `masks/<name>.png`, with a number after the name where another mask has it. Equal masks of one name
    /// are written once. Returns the path relative to the output folder.
    ///
    /// # Errors
    /// When the mask cannot be written.
    pub(super) fn write_mask(&mut self, name: &str, mask: &Mask) -> Result<String, ImportError> {
        let mut hasher = DefaultHasher::new();
        mask.hash(&mut hasher);
        let hash = hasher.finish();
        let (mut free, mut copy) = (name.to_owned(), 1);
        while self.masks.get(&Output::mask_path(&free)).is_some_and(|known| *known != hash) {
            copy += 1;
            free = format!("{name}-{copy}");
        }
        let path = Output::mask_path(&free);
        if !self.masks.contains_key(&path) {
            self.output.mask(&free, mask)?;
            self.masks.insert(path.clone(), hash);
        }
        Ok(path)
    }

    /// Removes the images and masks that were written and are not in `images` or `masks`, by path relative to the output
    /// folder, and the folders that are empty then.
    pub(super) fn remove_except(&mut self, images: &BTreeSet<&str>, masks: &BTreeSet<&str>) {
        self.output.remove_masks(self.masks.keys().filter(|path| !masks.contains(path.as_str())));
        self.output.remove_images_except(images);
    }

    /// Removes everything that was written.
    pub(super) fn remove_all(&mut self) {
        self.journal.close();
        self.remove_except(&BTreeSet::new(), &BTreeSet::new());
    }

    /// Counts how the images in `used`, by path relative to the output folder, were made.
    pub(super) fn report(&self, used: &BTreeSet<&str>, decisions: &mut Tally) {
        for picture in self.all.iter().filter(|picture| used.contains(picture.image.path.as_str())) {
            let path = || picture.image.path.clone();
            match &picture.image.pixels {
                None => decisions.add("copied byte for byte", path()),
                Some(pixels) => decisions.add(format!("written as PNG of 8 bits, from {}", pixels.kind.name()), path()),
            }
            if picture.turn != Orientation::NoTransforms {
                decisions.add("shown turned by its EXIF orientation", path());
            }
            picture.remarks.iter().for_each(|remark| decisions.add(remark.clone(), path()));
        }
    }
}

/// A file of the source, or an image inside a record.
struct SourceFile<'a> {
    bytes: &'a [u8],
    /// SHA-256 of the bytes.
    digest: &'a str,
    path: &'a Path,
    /// Path or name as the record writes it.
    name: &'a str,
    /// Whether the image is a file, not a part of the record.
    is_file: bool,
}

/// Returns the file below `root` that a source names, or what is wrong and what to do about it.
pub(super) fn resolve(root: &Path, path: &str) -> Result<PathBuf, (String, String)> {
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

fn refused_at(place: &Place, field: &str, refused: Refused) -> Problems {
    place.problem(field, refused.what, refused.advice)
}

/// Name of an image from its path: without the extension, with at most the last [`LONGEST_NAME`] letters.
fn short(path: &str) -> String {
    let whole = slug(Path::new(path.trim_start_matches("./")).with_extension("").to_string_lossy().as_ref());
    let short = &whole[whole.len().saturating_sub(LONGEST_NAME)..];
    let short = short.trim_matches('-');
    if short.is_empty() { "image".to_owned() } else { short.to_owned() }
}

/// Returns whether an EXIF orientation exchanges width and height.
fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}
