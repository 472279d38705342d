//! Parts of several formats: reading of several files, sides of the split by names, and marks of files with fields.

use std::path::{Path, PathBuf};

use stepwise_data::case::Split;
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::Entry;
use super::super::format::{Mark, Rows};
use super::super::record::Record;
use super::super::records;

/// Reads the records of several files of `source` in order, each file with a value that `entry` gets, too. A row without a
/// side of the split gets the side that the name of its file says ([`side_of`]).
///
/// # Errors
/// When one of the files cannot be opened.
pub(super) fn read_all<T: 'static>(
    source: &Path,
    files: Vec<(PathBuf, T)>,
    entry: impl Fn(&Record, &T) -> Result<Entry, Problems> + 'static,
) -> Result<Rows, Problems> {
    let mut opened = Vec::new();
    for (file, value) in files {
        opened.push((records::open(&file)?, side_of(source, &file), value));
    }
    let mut opened = opened.into_iter();
    let mut current = opened.next();
    Ok(Rows::new(std::iter::from_fn(move || {
        loop {
            let (records, side, value) = current.as_mut()?;
            match records.next() {
                Some(record) => {
                    let mut entry = record.and_then(|record| entry(&record, value)).unwrap_or_else(Entry::Faulty);
                    if let Entry::Row(row) = &mut entry {
                        row.split = row.split.or(*side);
                    }
                    return Some(entry);
                }
                None => current = opened.next(),
            }
        }
    })))
}

/// Returns the side of the split that a name means; None for other names.
pub(super) fn side(name: &str) -> Option<Split> {
    match name.trim().to_ascii_lowercase().as_str() {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validate" | "validation" | "dev" => Some(Split::Validation),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

/// Returns the side of the split that a word of a name means, as in `instances_val2017`; None when no word does, or words
/// mean different sides.
pub(super) fn side_in(name: &str) -> Option<Split> {
    let words = name.split(|letter: char| !letter.is_ascii_alphabetic());
    let mut sides = words.filter_map(side);
    let first = sides.next()?;
    sides.all(|other| other == first).then_some(first)
}

/// Returns the side of the split that the name of a file of `source` says, else the name of the nearest folder that
/// says one, as in `med_test.json` and `validation/0000.parquet`. Folders above `source` do not count. None when no name
/// says a side.
pub(super) fn side_of(source: &Path, file: &Path) -> Option<Split> {
    let below = file.strip_prefix(folder_of(source)).unwrap_or(file);
    let name = |path: &Path| path.file_stem().and_then(|stem| side_in(&stem.to_string_lossy()));
    below.ancestors().find_map(name)
}

/// Returns a mark for files of a folder whose first record has all of the fields in `wanted`.
pub(super) fn fields_mark(files: &[PathBuf], what: &str, wanted: &[&str]) -> Mark {
    let has = |path: &PathBuf| {
        records::first(path).is_some_and(|fields| wanted.iter().all(|name| fields.contains_key(*name)))
    };
    let found = files.iter().find(|path| has(path));
    let named = found.and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let file = named.unwrap_or_else(|| what.to_owned());
    Mark::new(format!("{file} with {}", wanted.join(", ")), found.is_some())
}

/// Returns the problem of a source without any of the files that its format reads.
pub(super) fn nothing_to_read(source: &Path, wanted: &str) -> Problems {
    Problem::new(source, format!("there is no {wanted}"), "give the unpacked folder of the data set").into()
}

/// Returns the folder that contains `source`, or `source` itself when it is a folder.
pub(super) fn folder_of(source: &Path) -> PathBuf {
    if source.is_file() { stepwise_data::dataset::root_of(source).to_owned() } else { source.to_owned() }
}

/// Returns the path of `name` below the first of the folders `below` (relative to `root`, `""` for `root` itself) that
/// holds it; below the first of them when none does, so that the message names that place.
pub(super) fn below_first(root: &Path, below: &[&str], name: &str) -> String {
    let name = name.trim().trim_start_matches("./");
    let place = |folder: &&str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let is_there = |path: &String| stepwise_data::io::contained::is_inside(path) && root.join(path).exists();
    let places: Vec<String> = below.iter().map(place).collect();
    places.iter().find(|path| is_there(path)).or(places.first()).cloned().unwrap_or_else(|| name.to_owned())
}
