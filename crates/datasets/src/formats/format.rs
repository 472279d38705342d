//! The trait of all formats, and the options of an import.

use std::path::{Path, PathBuf};

use stepwise_data::problem::Problems;

use super::entry::Entry;
use crate::source_image::PixelOptions;

/// Text of what neither the source nor the user states.
pub(super) const NOT_RECORDED: &str = "not recorded";

/// Entries of a source in the order of its files and rows.
pub(crate) type Entries = Box<dyn Iterator<Item = Entry>>;

/// A file or column by which a format is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Description, such as `train.json with the fields img_name and content_type`.
    pub what: String,
    /// Whether the source has it.
    pub found: bool,
    /// Whether many layouts have it, such as a folder of images, so that it is no likeness.
    pub is_common: bool,
}

impl Mark {
    /// Makes a mark.
    pub(crate) fn new(what: impl Into<String>, found: bool) -> Self {
        Self { what: what.into(), found, is_common: false }
    }

    /// Makes a mark that many layouts have.
    pub(crate) fn common(what: impl Into<String>, found: bool) -> Self {
        Self { is_common: true, ..Self::new(what, found) }
    }
}

/// Reader of one layout of data sets. It reads unpacked files and downloads nothing.
pub trait Format: Sync {
    /// Name on the command line, such as `slake`.
    fn name(&self) -> &'static str;

    /// Short description of the data set and of the files that are read.
    fn about(&self) -> &'static str;

    /// Returns what the format looks for in `source` and whether it is there. Empty for formats that are never
    /// recognised, because the user names their columns.
    fn marks(&self, source: &Path) -> Vec<Mark>;

    /// Category map in TOML (as `data import FORMAT --print-map` prints it) that is used without `--map`.
    fn map(&self) -> &'static str;

    /// Returns the name of the data set for its cases and groups; by default the name of the source's folder, so that all
    /// files of a folder are one data set.
    fn dataset(&self, source: &Path) -> String {
        folder_name(source).unwrap_or_else(|| self.name().to_owned())
    }

    /// Opens the source.
    ///
    /// # Errors
    /// When a file that the layout needs is missing or cannot be read as a whole.
    #[doc(hidden)]
    fn entries(&self, source: &Path, options: &FormatOptions) -> Result<Rows, Problems>;
}

/// Returns the name of the folder of a source; None where the source does not exist or is the root of the file system.
pub(super) fn folder_name(source: &Path) -> Option<String> {
    // The whole path, because `.` and `data.csv` alone do not name their folder.
    let source = source.canonicalize().ok()?;
    let folder = if source.is_file() { source.parent()? } else { source.as_path() };
    Some(folder.file_name()?.to_string_lossy().into_owned())
}

/// Rows of an opened source.
pub struct Rows(pub(crate) Entries);

impl Rows {
    /// Wraps an iterator.
    pub(crate) fn new(entries: impl Iterator<Item = Entry> + 'static) -> Self {
        Self(Box::new(entries))
    }
}

/// Which split an import makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitChoice {
    /// The published split where the source has one, else a new one by group.
    #[default]
    Default,
    /// The published split. Test cases stay as they are, then validation cases; what crosses is left out of the other
    /// sides.
    Published,
    /// A new split by group: 70 % for training, 15 % each for validation and test.
    New,
}

/// Names of columns for the format `table`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Column with the path of the image; several columns for several images.
    pub image: Vec<String>,
    /// Column with the question.
    pub question: Option<String>,
    /// Column with the right answer: text, letter, or letter and text.
    pub answer: Option<String>,
    /// Columns with one option each, or one column with a JSON list or with options separated by `|`.
    pub options: Vec<String>,
    /// Column with the group, such as a patient.
    pub group: Option<String>,
    /// Column with the side of the split.
    pub split: Option<String>,
}

/// Options of an import by a format.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FormatOptions {
    /// Seed of a new split.
    pub seed: u64,
    /// Which split is made.
    pub split: SplitChoice,
    /// File with a category map that replaces the one of the format; None for the map of the format.
    pub map: Option<PathBuf>,
    /// Category of the questions that no rule maps; None leaves them out.
    pub rest: Option<String>,
    /// Whether faulty rows are left out and counted instead of stopping the import.
    pub keep_going: bool,
    /// Whether every image was annotated for every class, so that a class without a box is absent.
    pub exhaustive: bool,
    /// Modality of rows that record none; None writes `not recorded`.
    pub modality: Option<String>,
    /// Name of the data set in the cases and at the start of their groups; None takes the one of the format, or of the
    /// source's folder.
    pub dataset: Option<String>,
    /// Licence of the images; None writes the one that the source states, else `not recorded`.
    pub licence: Option<String>,
    /// Whether all cases are marked as credentialed. Without it the format decides.
    pub credentialed: bool,
    /// Columns of a table.
    pub columns: Columns,
    /// Choices about pixels.
    pub pixels: PixelOptions,
    /// File with the names of the values of label maps or masks. `labelmap` needs it; `slake` reads it if given.
    pub classes: Option<PathBuf>,
}
