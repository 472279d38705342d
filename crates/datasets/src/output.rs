//! Output folder of an import. Images and masks are written first and `cases.jsonl` last, so that the case file never
//! names a missing file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{GrayImage, ImageFormat, ImageResult, RgbImage};
use stepwise_data::case::{Case, Image};
use stepwise_data::dataset::{CASE_FILE, Dataset};
use stepwise_data::dhash::phash_hex;
use stepwise_data::image::{Mask, decode_image, range_warnings, read_file, sha256_hex};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::near_duplicates::Fingerprint;
use stepwise_data::problem::Problem;

use super::{ImportError, ImportReport};

/// Id of the only image of an imported case.
pub(super) const IMAGE: &str = "i0";

/// Output folder of an import that is being written.
pub(super) struct Output {
    root: PathBuf,
    /// Fingerprints of the images written so far, by path relative to the folder.
    fingerprints: BTreeMap<String, Fingerprint>,
}

impl Output {
    /// Creates the folder and its `images/`, with the folders above it; existing folders are used.
    ///
    /// # Errors
    /// When the folder already contains a case file, or cannot be created.
    pub(super) fn create(root: &Path) -> Result<Self, ImportError> {
        let cases = root.join(CASE_FILE);
        if cases.exists() {
            let advice = "choose another folder, or remove this file first";
            return Err(Problem::new(cases, "already exists", advice).into());
        }
        let output = Self { root: root.to_owned(), fingerprints: BTreeMap::new() };
        fs::create_dir_all(root.join("images")).map_err(|error| unwritable(&root.join("images"), &error))?;
        Ok(output)
    }

    /// Returns the path of the folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the fingerprint of an image of a case of this import; None if the image was not written.
    pub(super) fn fingerprint(&self, image: &Image) -> Option<&Fingerprint> {
        self.fingerprints.get(&image.path)
    }

    /// Copies an image file byte for byte to `images/<name>`, where it replaces an earlier file, and returns its
    /// record. `orientation` is recorded as it is, None where it is not known.
    ///
    /// # Errors
    /// When the source cannot be read or decoded, or the copy cannot be written.
    pub(super) fn image(&mut self, source: &Path, name: &str, orientation: Option<&str>) -> Result<Image, ImportError> {
        let bytes = read_file(source)?;
        let picture = decode_image(&bytes, source)?;
        self.stored(&bytes, &picture, name, orientation)
    }

    /// Writes the bytes of an image file that were decoded to `picture` to `images/<name>`, where they replace an earlier
    /// file, and returns its record like [`Output::image`], with an unknown orientation.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn bytes(&mut self, bytes: &[u8], picture: &RgbImage, name: &str) -> Result<Image, ImportError> {
        self.stored(bytes, picture, name, None)
    }

    /// Removes the images that were written and are not in `kept`, by path relative to the folder, and the folders that
    /// are empty then. Files that cannot be removed stay.
    pub(super) fn remove_images_except(&mut self, kept: &BTreeSet<&str>) {
        self.fingerprints.retain(|path, _| {
            let is_kept = kept.contains(path.as_str());
            if !is_kept {
                let _ = fs::remove_file(self.root.join(path));
            }
            is_kept
        });
        // A folder with files stays.
        let _ = fs::remove_dir(self.root.join("images"));
        let _ = fs::remove_dir(&self.root);
    }

    /// Writes `picture` as PNG to `images/<name>`, where it replaces an earlier file, and returns its record like
    /// [`Output::image`].
    ///
    /// # Errors
    /// When the image cannot be encoded or written.
    pub(super) fn drawn(
        &mut self,
        picture: &RgbImage,
        name: &str,
        orientation: Option<&str>,
    ) -> Result<Image, ImportError> {
        let bytes = self.png(&format!("images/{name}"), |bytes| picture.write_to(bytes, ImageFormat::Png))?;
        self.stored(&bytes, picture, name, orientation)
    }

    fn stored(
        &mut self,
        bytes: &[u8],
        picture: &RgbImage,
        name: &str,
        orientation: Option<&str>,
    ) -> Result<Image, ImportError> {
        let path = format!("images/{name}");
        self.write(&path, bytes)?;
        let fingerprint = Fingerprint::of(picture);
        let hash = fingerprint.hash;
        self.fingerprints.insert(path.clone(), fingerprint);
        Ok(Image {
            id: IMAGE.into(),
            path,
            sha256: sha256_hex(bytes),
            phash: Some(phash_hex(hash)),
            width: picture.width(),
            height: picture.height(),
            orientation: orientation.map(str::to_owned),
        })
    }

    /// Encodes the image of the file `path`, relative to the folder.
    fn png(
        &self,
        path: &str,
        encode: impl FnOnce(&mut Cursor<Vec<u8>>) -> ImageResult<()>,
    ) -> Result<Vec<u8>, ImportError> {
        let mut bytes = Cursor::new(Vec::new());
        encode(&mut bytes).map_err(|error| {
            let advice = "report this as a bug of the importer";
            Problem::new(self.root.join(path), format!("cannot be encoded: {error}"), advice)
        })?;
        Ok(bytes.into_inner())
    }

    /// Writes a mask as an 8-bit image of 0 and 255 to `masks/<name>.png`, where it replaces an earlier file, and
    /// returns that path, relative to the folder.
    ///
    /// # Errors
    /// When the folder `masks/` cannot be created, or the mask cannot be encoded or written.
    ///
    /// # Panics
    /// When the mask has fewer values than pixels.
    pub(super) fn mask(&self, name: &str, mask: &Mask) -> Result<String, ImportError> {
        let path = format!("masks/{name}.png");
        fs::create_dir_all(self.root.join("masks")).map_err(|error| unwritable(&self.root.join("masks"), &error))?;
        let grey = GrayImage::from_fn(mask.width, mask.height, |x, y| {
            image::Luma([if mask.inside[y as usize * mask.width as usize + x as usize] { 255 } else { 0 }])
        });
        let bytes = self.png(&path, |bytes| grey.write_to(bytes, ImageFormat::Png))?;
        self.write(&path, &bytes)?;
        Ok(path)
    }

    /// Writes the case file, sorted by case id, and returns the summary of the import. `skipped` are its notes on what
    /// was left out. The cases are not checked.
    ///
    /// # Errors
    /// When the file cannot be written, synced or renamed.
    pub(super) fn finish(self, mut cases: Vec<Case>, skipped: Vec<String>) -> Result<ImportReport, ImportError> {
        cases.sort_by(|one, other| one.case_id.cmp(&other.case_id));
        let report = ImportReport {
            cases: cases.len(),
            items: cases.iter().map(|case| case.chain.len()).sum(),
            regions: cases.iter().map(|case| case.regions.len()).sum(),
            skipped,
            warnings: self.warnings(),
        };
        Dataset::new(&self.root.join(CASE_FILE), cases).save()?;
        Ok(report)
    }

    /// Returns a warning for each image that has few grey levels.
    pub(super) fn warnings(&self) -> Vec<String> {
        range_warnings(self.fingerprints.iter().map(|(path, found)| (path.as_str(), found.levels)))
    }

    fn write(&self, relative: &str, bytes: &[u8]) -> Result<(), ImportError> {
        let path = self.root.join(relative);
        write_atomic(&path, bytes).map_err(|error| unwritable(&path, &error).into())
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(path, format!("cannot be written: {error}"), "check the folder's permissions and free space")
}

/// Returns the sorted paths in a folder whose extension is one of `extensions` (in lower case; the case of the file's
/// extension does not matter); empty when there are none.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn list(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, ImportError> {
    let failed = |error: std::io::Error| {
        let advice = "give the data set's own folder, unpacked and with its files in their original places";
        Problem::new(folder, format!("cannot be listed: {error}"), advice)
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        if extension.is_some_and(|extension| extensions.contains(&extension.as_str())) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads the text of an annotation file, without a byte order mark.
///
/// # Errors
/// When the file cannot be read, is larger than [`bounded::LARGEST`] or is not UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, ImportError> {
    bounded::text(path).map_err(|error| {
        let advice = bounded::advice(&error, "check that the file exists, may be read and is UTF-8");
        Problem::new(path, format!("cannot be read: {error}"), advice).into()
    })
}

/// Returns a name as a part of an id: ASCII letters become lower case, digits stay, all other characters become
/// hyphens, so that different names can give the same part.
pub(super) fn slug(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect()
}
