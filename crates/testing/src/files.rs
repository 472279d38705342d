//! Fixture files and folders of the repository, and comparison of folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

/// Contents of files, by path relative to a folder.
pub type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// Folder of the fixtures of model families, below the parity fixtures.
const FAMILY_FIXTURES: &str = "families/fixtures";

/// Returns the root folder of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the folder of the parity fixtures, `tests/parity`.
#[must_use]
pub fn parity() -> PathBuf {
    repository().join("tests/parity")
}

/// Returns the model folder of the parity fixtures: the tiny model, with its processor files.
#[must_use]
pub fn tiny() -> PathBuf {
    parity().join("tiny")
}

/// Returns the names of the fixtures of model families in alphabetical order.
///
/// # Panics
/// When the folder of the fixtures cannot be read.
#[must_use]
pub fn family_fixtures() -> Vec<String> {
    let entries = fs::read_dir(parity().join(FAMILY_FIXTURES)).expect("fixtures").map(|entry| entry.expect("an entry"));
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Returns the folder of the fixture `name` of a model family.
#[must_use]
pub fn family_fixture(name: &str) -> PathBuf {
    parity().join(FAMILY_FIXTURES).join(name)
}

/// Returns the name of one fixture for each `model_type`, the first one in alphabetical order.
///
/// # Panics
/// When a fixture has no `model_type`.
#[must_use]
pub fn fixture_of_each_family() -> Vec<String> {
    let mut found = BTreeMap::new();
    for name in family_fixtures() {
        let config = json(&family_fixture(&name).join("model/config.json"));
        let model_type = config["model_type"].as_str().expect("a type").to_owned();
        found.entry(model_type).or_insert(name);
    }
    found.into_values().collect()
}

/// Returns a real model folder or data set next to the repository, such as `models/NAME`. None when it is absent, which
/// is reported on stderr; the test that needs it is then to be skipped.
#[must_use]
#[allow(clippy::print_stderr)]
pub fn real(name: &str) -> Option<PathBuf> {
    let folder = repository().join("../shared").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {name} is absent");
    None
}

/// Reads a JSON file.
///
/// # Panics
/// When the file cannot be read or is not JSON.
#[must_use]
pub fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Changes a JSON file in place: reads it, applies `edit`, and replaces it by the result without line breaks.
///
/// # Panics
/// When the file cannot be read or written, or is not JSON.
pub fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = json(path);
    edit(&mut value);
    fs::write(path, value.to_string()).expect("written");
}

/// Copies the files of `folder`, which has no folders inside, to a new temporary folder, except the files named in
/// `without`. The copy is deleted when the returned value is dropped.
///
/// # Panics
/// When a file cannot be read or written, or `folder` has a folder inside.
#[must_use]
pub fn copy_of(folder: &Path, without: &[&str]) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("a file");
        if !without.iter().any(|name| entry.file_name() == *name) {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
        }
    }
    copy
}

/// Returns the contents of all files below a folder, inner folders included, by path relative to the folder.
///
/// # Panics
/// When a file or folder cannot be read.
#[must_use]
pub fn contents(folder: &Path) -> Contents {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below the folder").to_path_buf();
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

/// Asserts that two folders hold the same files with the same bytes, and at least one file.
///
/// # Panics
/// When they do not, or a file or folder cannot be read.
#[track_caller]
pub fn assert_same_files(one: &Path, other: &Path) {
    assert_same_contents(&contents(one), &contents(other));
}

/// Asserts that two folders, given by their [`contents`], hold the same files with the same bytes, and at least one
/// file.
///
/// # Panics
/// When they do not.
#[track_caller]
pub fn assert_same_contents(one: &Contents, other: &Contents) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    assert_contained(one, other);
}

/// Asserts that the folder `other` holds every file of the folder `one` with the same bytes, and that `one` has at
/// least one file. Further files of `other` do not matter.
///
/// # Panics
/// When it does not, or a file or folder cannot be read.
#[track_caller]
pub fn assert_files_in(one: &Path, other: &Path) {
    assert_contained(&contents(one), &contents(other));
}

#[track_caller]
fn assert_contained(one: &Contents, other: &Contents) {
    assert!(!one.is_empty(), "there are files to compare");
    for (file, bytes) in one {
        assert!(other.get(file) == Some(bytes), "{} differs or is missing", file.display());
    }
}
