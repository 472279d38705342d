//! Output folder of an import. Images and masks are written first and `cases.jsonl` last, so that the case file never
//! names a missing file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageFormat, ImageResult, RgbImage};
use stepwise_data::box_grid::BoxGrid;
use stepwise_data::case::{Case, Image, Pixels};
use stepwise_data::check::unreachable_boxes;
use stepwise_data::dataset::{CASE_FILE, Dataset};
use stepwise_data::dhash::phash_hex;
use stepwise_data::image::{Mask, decode_image, range_warnings, read_file, sha256_hex};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::near_duplicates::Fingerprint;
use stepwise_data::problem::Problem;

use super::formats::{FormatReport, REPORT_FILE, REPORT_SCHEMA, write_report};
use super::import::Skipped;
use super::{ImportError, ImportReport};

/// Id of the only image of an imported case.
pub(super) const IMAGE: &str = "i0";

/// End of the ids of cases whose image has frames drawn on it.
pub(super) const MARKS: &str = "-marks";

/// Name of the list of images that an import wrote so far. It is removed when the import ends.
pub(super) const JOURNAL_FILE: &str = "import.partial.jsonl";

/// What an interrupted import leaves in the output folder.
const LEFT: [&str; 4] = ["images", "masks", REPORT_FILE, JOURNAL_FILE];

/// Import that is finished.
pub(super) struct Finished {
    /// Name of the importer.
    pub(super) name: &'static str,
    /// Seed of the import.
    pub(super) seed: u64,
    /// `published` or `new` split.
    pub(super) split: &'static str,
}

/// Output folder of an import that is being written.
pub(super) struct Output {
    root: PathBuf,
    /// Fingerprints of the images written so far, by path relative to the folder.
    fingerprints: BTreeMap<String, Fingerprint>,
}

impl Output {
    /// Creates the folder and its `images/`, with the folders above it; an empty folder is used, and so is one that an
    /// interrupted import left. Files that an import was writing when it was killed are removed.
    ///
    /// # Errors
    /// When the folder already contains a case file or a file that no import writes, or cannot be created.
    pub(super) fn create(root: &Path) -> Result<Self, ImportError> {
        let cases = root.join(CASE_FILE);
        if cases.exists() {
            let advice = "choose another folder, or remove this file first";
            return Err(Problem::new(cases, "already exists", advice).into());
        }
        if let Some(name) = foreign(root) {
            let what = format!("holds {name:?}, which no import wrote");
            return Err(Problem::new(root, what, "give a new or an empty folder").into());
        }
        let output = Self { root: root.to_owned(), fingerprints: BTreeMap::new() };
        fs::create_dir_all(root.join("images")).map_err(|error| unwritable(&root.join("images"), &error))?;
        remove_half_written(root);
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

    /// Takes over an image that an interrupted import wrote, with its fingerprint.
    pub(super) fn known(&mut self, image: &Image, fingerprint: Fingerprint) {
        self.fingerprints.insert(image.path.clone(), fingerprint);
    }

    /// Writes `picture`, 8-bit grey or RGB, as PNG to `images/<name>`, where it replaces an earlier file, and returns its
    /// record with `pixels`, which says how it was made.
    ///
    /// # Errors
    /// When the image cannot be encoded or written.
    pub(super) fn converted(
        &mut self,
        picture: DynamicImage,
        name: &str,
        orientation: Option<&str>,
        pixels: Pixels,
    ) -> Result<Image, ImportError> {
        let bytes = self.png(&format!("images/{name}"), |bytes| picture.write_to(bytes, ImageFormat::Png))?;
        let image = self.stored(&bytes, &picture.into_rgb8(), name, orientation)?;
        Ok(Image { pixels: Some(pixels), ..image })
    }

    /// Removes masks that were written, by path relative to the folder, and their folder if it is empty then. Files that
    /// cannot be removed stay.
    pub(super) fn remove_masks<'a>(&self, masks: impl Iterator<Item = &'a String>) {
        masks.for_each(|path| {
            let _ = fs::remove_file(self.root.join(path));
        });
        // A folder with files stays.
        let _ = fs::remove_dir(self.root.join("masks"));
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
            pixels: None,
            box_grid: BoxGrid::default(),
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

    /// Returns the path, relative to the folder, of the mask with the name `name`.
    pub(super) fn mask_path(name: &str) -> String {
        format!("masks/{name}.png")
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
        let path = Self::mask_path(name);
        fs::create_dir_all(self.root.join("masks")).map_err(|error| unwritable(&self.root.join("masks"), &error))?;
        let grey = GrayImage::from_fn(mask.width, mask.height, |x, y| {
            image::Luma([if mask.inside[y as usize * mask.width as usize + x as usize] { 255 } else { 0 }])
        });
        let bytes = self.png(&path, |bytes| grey.write_to(bytes, ImageFormat::Png))?;
        self.write(&path, &bytes)?;
        Ok(path)
    }

    /// Writes the report and the case file, sorted by case id, and returns the summary of the import. `skipped` is what
    /// was left out. The cases are not checked.
    ///
    /// # Errors
    /// When a file cannot be written, synced or renamed.
    pub(super) fn finish(
        self,
        mut cases: Vec<Case>,
        skipped: Skipped,
        import: &Finished,
    ) -> Result<ImportReport, ImportError> {
        cases.sort_by(|one, other| one.case_id.cmp(&other.case_id));
        let Skipped { lines, rows, parts } = skipped;
        let warnings: Vec<String> = self.warnings().into_iter().chain(unreachable_boxes(&cases)).collect();
        let mut report = FormatReport {
            schema: REPORT_SCHEMA.into(),
            format: import.name.into(),
            dataset: cases.first().map_or_else(String::new, |case| case.source.dataset.clone()),
            seed: import.seed,
            parts_left_out: parts,
            notes: lines.clone(),
            warnings: warnings.clone(),
            ..FormatReport::default()
        };
        // A case with marks is a second case of the same row.
        report.rows.kept = cases.iter().filter(|case| !case.case_id.ends_with(MARKS)).count();
        report.rows.read = report.rows.kept + rows.total();
        report.rows.left_out = rows;
        report.split.kind = import.split;
        report.count(&cases);
        for item in cases.iter().flat_map(|case| &case.chain) {
            let found = report.categories.entry(item.category.clone()).or_default();
            found.add("worded by the importer", item.question.clone());
        }
        report.questions.kept = cases.iter().map(|case| case.chain.len()).sum();
        report.questions.read = report.questions.kept;
        for case in &cases {
            let is_drawn = case.case_id.ends_with(MARKS);
            for image in &case.images {
                let decision = if is_drawn { "copied with three frames drawn on it" } else { "copied byte for byte" };
                report.pixels.add(decision, image.path.clone());
            }
        }
        write_report(&self.root, &report)?;
        let report = ImportReport {
            cases: report.cases,
            items: report.questions.kept,
            regions: report.regions,
            skipped: lines,
            warnings,
            report,
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

/// Returns the first name, in alphabetical order, of what the folder holds and no interrupted import leaves. Hidden files,
/// such as those of file managers, are passed over. None for a folder that does not exist.
fn foreign(root: &Path) -> Option<String> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_foreign = |name: &String| !name.starts_with('.') && !LEFT.contains(&name.as_str()) && !is_half_written(name);
    names.filter(is_foreign).min()
}

/// Removes the temporary files of an import that was killed.
fn remove_half_written(root: &Path) {
    for folder in [root.to_owned(), root.join("images"), root.join("masks")] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if is_half_written(&entry.file_name().to_string_lossy()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Returns whether a file name is the one of a temporary file: `NAME.tmp-` with the number of the process.
fn is_half_written(name: &str) -> bool {
    name.rsplit_once(".tmp-").is_some_and(|(target, process)| {
        let is_written = [".png", ".jpg", ".json", ".jsonl"].iter().any(|end| target.ends_with(end));
        is_written && !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit())
    })
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
