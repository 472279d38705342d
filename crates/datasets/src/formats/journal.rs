//! Journal of an import: the images that were written so far, so that an interrupted import goes on after them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stepwise_data::image::sha256_hex;
use stepwise_data::near_duplicates::Fingerprint;
use stepwise_data::problem::{Problem, Problems};

use super::pictures::Picture;
use super::report::unwritable;
use crate::output::JOURNAL_FILE;

/// Version of the lines. Journals of other versions are not read.
const SCHEMA: &str = "import-journal/1";

/// First line: the import.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Head {
    schema: String,
    /// Version of the program, because another one may write other images.
    program: String,
    /// Digest of format, source and options.
    import: String,
}

/// Line of an image.
#[derive(Serialize, Deserialize)]
struct Line {
    /// Digest of the image in the source.
    digest: String,
    /// Length of the file that was written, in bytes.
    length: u64,
    #[serde(flatten)]
    known: Known,
}

/// An image that an earlier import wrote.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Known {
    /// Record of the image.
    pub(super) picture: Picture,
    /// Fingerprint of the image.
    #[serde(with = "as_base64")]
    pub(super) fingerprint: Fingerprint,
}

/// Fingerprints as base64 of their bytes.
mod as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use stepwise_data::near_duplicates::Fingerprint;

    pub(super) fn serialize<S: Serializer>(fingerprint: &Fingerprint, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(fingerprint.to_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        Fingerprint::from_bytes(&bytes).ok_or_else(|| D::Error::custom("the bytes are no fingerprint"))
    }
}

/// Journal of the import that is under way.
pub(super) struct Journal {
    root: PathBuf,
    file: File,
    known: BTreeMap<String, Known>,
}

impl Journal {
    /// Opens the journal in the folder `root`: goes on with one of the same import, named by `import`, or begins a new one.
    ///
    /// # Errors
    /// When the journal of another import is there, or the file cannot be read or written.
    pub(super) fn open(root: &Path, import: &str) -> Result<Self, Problems> {
        let path = root.join(JOURNAL_FILE);
        let failed = |error: std::io::Error| unwritable(&path, &error);
        let head = Head {
            schema: SCHEMA.into(),
            program: env!("CARGO_PKG_VERSION").into(),
            import: sha256_hex(import.as_bytes()),
        };
        let mut known = BTreeMap::new();
        let mut end = 0;
        if path.is_file() {
            let mut reader = BufReader::new(File::open(&path).map_err(failed)?);
            let mut text = String::new();
            // A line that was cut off when the import was interrupted ends the journal.
            while reader.read_line(&mut text).is_ok_and(|count| count > 0) && text.ends_with('\n') {
                if end == 0 {
                    if serde_json::from_str::<Head>(&text).is_ok_and(|found| found != head) {
                        let advice = "repeat the interrupted command as it was, or remove the folder";
                        let what = "holds an interrupted import of other data or options";
                        return Err(Problem::new(root, what, advice).into());
                    }
                } else if let Ok(Line { digest, length, known: found }) = serde_json::from_str(&text) {
                    let file = root.join(&found.picture.image.path);
                    if fs::metadata(file).is_ok_and(|file| file.len() == length) {
                        known.insert(digest, found);
                    }
                }
                end += text.len() as u64;
                text.clear();
            }
        }
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        file.set_len(end).map_err(failed)?;
        drop(file);
        file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        let mut journal = Self { root: root.to_owned(), file, known };
        if end == 0 {
            journal.line(&head).map_err(failed)?;
        }
        Ok(journal)
    }

    /// Returns what an earlier import wrote for the image with this digest; None when it wrote none.
    pub(super) fn known(&mut self, digest: &str) -> Option<Known> {
        self.known.remove(digest)
    }

    /// Notes that an image was written.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(super) fn note(&mut self, digest: &str, picture: &Picture, fingerprint: &Fingerprint) -> Result<(), Problems> {
        let path = self.root.join(JOURNAL_FILE);
        let failed = |error: std::io::Error| unwritable(&path, &error);
        let length = fs::metadata(self.root.join(&picture.image.path)).map_err(failed)?.len();
        let known = Known { picture: picture.clone(), fingerprint: fingerprint.clone() };
        self.line(&Line { digest: digest.to_owned(), length, known }).map_err(failed)
    }

    fn line(&mut self, value: &impl Serialize) -> std::io::Result<()> {
        let text = serde_json::to_string(value).map_err(std::io::Error::other)?;
        self.file.write_all(format!("{text}\n").as_bytes())
    }

    /// Removes the journal, and the images of an earlier import that this one does not have.
    pub(super) fn close(&mut self) {
        for known in self.known.values() {
            let _ = fs::remove_file(self.root.join(&known.picture.image.path));
        }
        self.known.clear();
        let _ = fs::remove_file(self.root.join(JOURNAL_FILE));
    }
}
