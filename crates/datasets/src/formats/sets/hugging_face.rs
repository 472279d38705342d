//! Parquet files of Hugging Face data sets: names, columns, and rows of one image, one question and one answer.

use std::path::{Path, PathBuf};

use stepwise_data::case::Split;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, Question, Row};
use super::super::format::{Mark, Rows};
use super::super::record::Record;
use super::super::records;
use super::common::{folder_of, nothing_to_read, read_all, side_of};
use super::image_cells::{has_image, images};

/// Returns the Parquet files of a source whose first record has the columns `wanted`: the file itself, or files of the
/// folder and of the folders in it, such as `data/`.
pub(super) fn shards(source: &Path, wanted: &[&str]) -> Vec<PathBuf> {
    let fits = |path: &PathBuf| {
        records::first(path).is_some_and(|fields| wanted.iter().all(|name| fields.contains_key(*name)))
    };
    files(source).into_iter().filter(fits).collect()
}

/// Returns the Parquet files of a source, as [`shards`] looks for them.
pub(super) fn files(source: &Path) -> Vec<PathBuf> {
    let mut all = records::files(source, &["parquet"]);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(source)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    all.extend(folders.iter().flat_map(|folder| records::files(folder, &["parquet"])));
    all
}

/// Returns the Parquet files whose columns are exactly `image`, `question` and `answer`, with an image in the first row.
/// VQA-RAD and PathVQA have them.
pub(super) fn plain(source: &Path) -> Vec<PathBuf> {
    let mut found = shards(source, &["image", "question", "answer"]);
    found.retain(|path| {
        records::first_record(path).is_some_and(|record| record.fields.len() == 3 && has_image(&record, "image"))
    });
    found
}

/// Returns whether one of the files of `source` is of the validation side.
pub(super) fn has_validation(source: &Path, shards: &[PathBuf]) -> bool {
    shards.iter().any(|path| side_of(source, path) == Some(Split::Validation))
}

/// Returns a mark that names the first of the files and its columns.
pub(super) fn mark(shards: &[PathBuf], what: &str, columns: &str) -> Mark {
    let name = shards.first().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    Mark::new(format!("{} with {columns}", name.unwrap_or_else(|| what.to_owned())), !shards.is_empty())
}

/// Reads files of rows with `image`, `question` and `answer`. `fields` are compared by category maps; `finish` completes
/// each row.
///
/// # Errors
/// When there is no file, or one of them cannot be opened.
pub(super) fn rows(
    source: &Path,
    shards: Vec<PathBuf>,
    fields: &'static [&'static str],
    finish: impl Fn(&Record, &mut Row) + 'static,
) -> Result<Rows, Problems> {
    if shards.is_empty() {
        return Err(nothing_to_read(source, "Parquet file with image, question and answer"));
    }
    let root = folder_of(source);
    let shards = shards.into_iter().map(|shard| (shard, ()));
    read_all(source, shards.collect(), move |record, ()| row(record, &root, fields, &finish))
}

fn row(record: &Record, root: &Path, fields: &[&str], finish: &impl Fn(&Record, &mut Row)) -> Result<Entry, Problems> {
    let (field, images) = images(record, &["image"], root, &["", "images", "imgs"]);
    if images.is_empty() {
        return Err(record.problem(
            field,
            "holds no image",
            "download the file again, or leave the row out with --keep-going",
        ));
    }
    let question = Question {
        text: record.required("question")?,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Text)],
        fields: record.pick(fields),
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), images, vec![question]);
    finish(record, &mut row);
    Ok(Entry::Row(Box::new(row)))
}
