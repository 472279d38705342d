//! A data set: the cases of one file in memory, and the folder that their paths are relative to.

use std::path::{Path, PathBuf};

use image::RgbImage;

use crate::case::{Case, Image, Split};
use crate::image::{ImageError, decode_image, read_file, sha256_hex};
use crate::io::contained::{self, InsideError};
use crate::jsonl::{CaseReader, CaseWriter};
use crate::problem::{Problem, Problems};

/// Name of the case file in a data set's folder, which commands look for when they are given a folder.
pub const CASE_FILE: &str = "cases.jsonl";

/// Error when the image of a case cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetImageError {
    /// The path names no file inside the data set's folder.
    #[error(transparent)]
    Inside(#[from] InsideError),
    /// The file cannot be read or decoded as an image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The file's digest differs from the digest recorded in the case.
    #[error("{} changed after its digest was recorded -> restore the file, or record its digest again", .0.display())]
    Changed(PathBuf),
}

/// Reads and decodes the file of an image whose path is relative to the folder `root`.
///
/// Case files may come from others, so a path that leads out of the folder is refused. A file whose SHA-256 differs
/// from the recorded one is refused too, because the recorded answers and regions describe another image. An empty
/// recorded digest is not compared; no checked case has one.
///
/// # Errors
/// When the path leads out of the folder or names no file, when the file cannot be read, is too long, or
/// [`decode_image`] refuses it, or when its digest differs from the recorded one.
pub fn image_below(root: &Path, image: &Image) -> Result<RgbImage, DatasetImageError> {
    let path = image_path(root, &image.path)?;
    let bytes = read_file(&path)?;
    if !image.sha256.is_empty() && sha256_hex(&bytes) != image.sha256 {
        return Err(DatasetImageError::Changed(path));
    }
    Ok(decode_image(&bytes, &path)?)
}

/// Returns the path of the image file at `path`, relative to the folder `root`, after checking that the file exists
/// inside the folder. The file is not read.
///
/// # Errors
/// When the path leads out of the folder, also by a link, or names no file.
pub fn image_path(root: &Path, path: &str) -> Result<PathBuf, DatasetImageError> {
    Ok(contained::resolve(root, path)?)
}

/// Returns the folder that the paths in a case file are relative to: the folder of the file, `.` for a bare file name.
#[must_use]
pub fn root_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The cases of one file. Row `n` of the file is case `n - 1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Folder of the case file; all paths in the cases are relative to it.
    pub root: PathBuf,
    /// Path of the case file.
    pub file: PathBuf,
    /// Cases in the order of the file.
    pub cases: Vec<Case>,
}

impl Dataset {
    /// Makes a data set of `cases` that were read from `file` or will be saved there. The file is neither read nor
    /// written.
    #[must_use]
    pub fn new(file: &Path, cases: Vec<Case>) -> Self {
        Self { root: root_of(file).to_owned(), file: file.to_owned(), cases }
    }

    /// Writes the cases to [`Dataset::file`] by way of a temporary file that is synced and renamed; an existing file is
    /// replaced. The folder must exist.
    ///
    /// # Errors
    /// When the temporary file cannot be created in the folder, or writing, syncing or renaming fails; an existing file
    /// is then unchanged. Also when the folder cannot be synced after the rename; the file is then replaced.
    pub fn save(&self) -> Result<(), Problems> {
        let mut writer = CaseWriter::create(&self.file)?;
        for case in &self.cases {
            writer.write(case)?;
        }
        writer.finish()
    }

    /// Reads and decodes an image of one of the cases.
    ///
    /// # Errors
    /// When the path leads out of the data set's folder or names no file, the file cannot be read or decoded, or its
    /// digest differs from the recorded one; see [`image_below`].
    pub fn picture(&self, image: &Image) -> Result<RgbImage, DatasetImageError> {
        image_below(&self.root, image)
    }

    /// Joins `relative` to the data set's folder. The file may be missing; [`contained::resolve`] checks that.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        contained::below(&self.root, relative)
    }

    /// Iterates over the cases on one side of the split, each with its index in [`Dataset::cases`].
    pub fn side(&self, split: Split) -> impl Iterator<Item = (usize, &Case)> {
        self.cases.iter().enumerate().filter(move |(_, case)| case.split == split)
    }
}

/// Returns the case file at `path`: the `cases.jsonl` of a folder, or else `path` itself.
#[must_use]
pub fn case_file(path: &Path) -> PathBuf {
    if path.is_dir() { contained::below(path, CASE_FILE) } else { path.to_owned() }
}

/// A case file read line by line: the cases, and the problems of the lines that are not cases.
pub(crate) struct Lines {
    /// Cases that could be read.
    pub(crate) dataset: Dataset,
    /// Row of each case in the file, from 1.
    pub(crate) rows: Vec<usize>,
    /// Problems of the other lines or of the whole file.
    pub(crate) problems: Vec<Problem>,
}

impl Lines {
    /// Reads a case file, or the `cases.jsonl` of a folder. Lines that are not valid cases, and a file without cases,
    /// are recorded as problems.
    ///
    /// # Errors
    /// When the file cannot be opened or starts like a file of another format.
    pub(crate) fn read(path: &Path) -> Result<Self, Problems> {
        let file = case_file(path);
        let (mut cases, mut rows, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for (place, line) in CaseReader::open(&file)?.enumerate() {
            match line {
                Ok(case) => {
                    cases.push(case);
                    rows.push(place + 1);
                }
                Err(Problems(all)) => problems.extend(all),
            }
        }
        if cases.is_empty() && problems.is_empty() {
            problems.push(Problem::new(&file, "contains no case", "write one case on each line"));
        }
        Ok(Self { dataset: Dataset::new(&file, cases), rows, problems })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LINE: &str = r#"{"schema":"case/1","case_id":"c","group_id":"g","split":"train","source":{"dataset":"d","licence":"l"},"modality":"ct","images":[],"chain":[]}"#;

    /// Returns the data set when every line of the file is a case, else the problems.
    fn read(path: &Path) -> Result<Dataset, Problems> {
        let Lines { dataset, problems, .. } = Lines::read(path)?;
        if problems.is_empty() { Ok(dataset) } else { Err(Problems(problems)) }
    }

    fn load(text: impl AsRef<[u8]>) -> Result<Dataset, Vec<String>> {
        let folder = tempfile::tempdir().expect("writable");
        fs::write(folder.path().join(CASE_FILE), text).expect("written");
        let root = format!("{}/", folder.path().display());
        read(folder.path())
            .map_err(|Problems(all)| all.iter().map(|problem| problem.to_string().replace(&root, "")).collect())
    }

    #[test]
    fn a_saved_data_set_is_loaded_by_file_or_folder() {
        let folder = tempfile::tempdir().expect("writable");
        let file = folder.path().join(CASE_FILE);
        let case: Case = serde_json::from_str(LINE).expect("reads");
        let validation = Case { split: Split::Validation, ..case.clone() };
        let dataset = Dataset::new(&file, vec![case, validation]);
        dataset.save().expect("written");
        assert_eq!(read(folder.path()), Ok(dataset.clone()));
        assert_eq!(read(&file), Ok(dataset.clone()));
        assert_eq!(dataset.side(Split::Validation).map(|(place, _)| place).collect::<Vec<_>>(), [1]);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1, "nothing is left beside");
    }

    #[test]
    fn images_are_read_only_from_the_folder() {
        let outer = tempfile::tempdir().expect("writable");
        let root = outer.path().join("set");
        fs::create_dir(&root).expect("created");
        for (path, level) in [(root.join("a.png"), 7), (outer.path().join("b.png"), 9)] {
            RgbImage::from_pixel(3, 2, image::Rgb([level; 3])).save(path).expect("saved");
        }
        fs::write(root.join("c.png"), "text").expect("written");
        let dataset = Dataset::new(&root.join(CASE_FILE), Vec::new());
        let recorded = |path: &str, sha256: &str| {
            let text = format!(r#"{{"id":"i","path":"{path}","sha256":"{sha256}","width":3,"height":2}}"#);
            dataset.picture(&serde_json::from_str(&text).expect("reads"))
        };
        let picture = |path: &str| recorded(path, "");
        assert_eq!(picture("a.png").expect("decodes").get_pixel(2, 1).0, [7; 3]);
        let absolute = outer.path().join("b.png").display().to_string();
        for path in ["../b.png", &absolute] {
            assert!(matches!(picture(path), Err(DatasetImageError::Inside(InsideError::Path(_)))), "{path}");
        }
        assert!(matches!(picture("c.png"), Err(DatasetImageError::Image(_))));
        let digest = sha256_hex(&fs::read(root.join("a.png")).expect("there"));
        assert!(recorded("a.png", &digest).is_ok());
        fs::copy(outer.path().join("b.png"), root.join("a.png")).expect("copied");
        let changed = recorded("a.png", &digest).expect_err("another picture").to_string();
        assert!(
            changed.ends_with(
                "a.png changed after its digest was recorded -> restore the file, or record its digest again"
            )
        );
    }

    #[test]
    fn line_ends_and_byte_order_marks_do_not_matter() {
        assert_eq!(load(format!("\u{feff}{LINE}\r\n{LINE}")).expect("loads").cases.len(), 2);
    }

    #[test]
    fn problems_of_all_lines_are_reported_at_once_with_their_places() {
        let text = [
            LINE.to_owned(),
            LINE.replace("\"split\":\"train\"", "\"split\":\"trian\",\"modalty\":1"),
            String::new(),
            "{\"schema\": ]".to_owned(),
            LINE.replace("\"chain\":[]", "\"chain\":[],\"chain\":[]"),
        ];
        assert_eq!(
            load(text.join("\n")).expect_err("refused"),
            [
                "cases.jsonl:2: split: \"trian\" is not known (did you mean \"train\"?) -> use one of \"train\", \"validation\", \"test\"",
                "cases.jsonl:2: modalty: is not a known key (did you mean \"modality\"?) -> rename or remove it",
                "cases.jsonl:3: the line is empty -> remove it",
                "cases.jsonl:4:12: is not JSON: expected value -> write one complete JSON object on each line",
                "cases.jsonl:5:149: duplicate field `chain` -> correct or remove it",
            ]
        );
    }

    #[test]
    fn files_without_cases_are_refused() {
        assert_eq!(load("").expect_err("refused"), ["cases.jsonl: contains no case -> write one case on each line"]);
        let [problem] = &load(b"\x88\xff".as_slice()).expect_err("refused")[..] else { panic!("one problem") };
        assert!(problem.starts_with("cases.jsonl:1:1: is not UTF-8"), "{problem}");
        let [image] = &load(b"\x89PNG\xff".as_slice()).expect_err("refused")[..] else { panic!("one problem") };
        assert!(image.starts_with("cases.jsonl: is a PNG image, not UTF-8 text"), "{image}");
        let [array] = &load(format!("[\n  {LINE},\n  {LINE}\n]")).expect_err("refused")[..] else {
            panic!("one problem")
        };
        assert!(array.starts_with("cases.jsonl: is a JSON array, not JSON Lines -> write one object"), "{array}");
        let utf16: Vec<u8> = format!("{LINE}\n{LINE}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(load(utf16).expect_err("refused").len(), 1);
        let absent = read(Path::new("no/such/cases.jsonl")).expect_err("absent").to_string();
        assert!(absent.starts_with("no/such/cases.jsonl: cannot be read"), "{absent}");
    }

    #[test]
    fn a_writer_that_is_dropped_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("writable");
        let file = folder.path().join(CASE_FILE);
        fs::write(&file, LINE).expect("written");
        let mut writer = CaseWriter::create(&file).expect("created");
        writer.write(&serde_json::from_str(LINE).expect("reads")).expect("written");
        drop(writer);
        assert_eq!(fs::read_to_string(&file).expect("there"), LINE);
    }
}
