//! Any table (CSV, TSV, JSON Lines, JSON array, Parquet) whose columns the user names.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::format::{Columns, Format, FormatOptions, Mark, Rows};
use super::super::record::{Record, texts};
use super::super::records;
use super::common::{folder_of, nothing_to_read, read_all, side};
use super::image_cells;

/// Extensions of tables.
const EXTENSIONS: &[&str] = &["csv", "tsv", "jsonl", "ndjson", "json", "parquet"];

/// Any table.
pub(super) struct Table;

impl Format for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn about(&self) -> &'static str {
        "any CSV, TSV, JSON Lines, JSON array or Parquet file with --image, --question and --answer columns"
    }

    fn marks(&self, _: &Path) -> Vec<Mark> {
        Vec::new()
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, options: &FormatOptions) -> Result<Rows, Problems> {
        let columns = options.columns.clone();
        if columns.image.is_empty() || columns.question.is_none() || columns.answer.is_none() {
            let advice = "name them with --image COLUMN --question COLUMN --answer COLUMN";
            return Err(Problem::new(source, "the columns of the table are not named", advice).into());
        }
        let files: Vec<PathBuf> = records::files(source, EXTENSIONS);
        if files.is_empty() {
            return Err(nothing_to_read(source, "CSV, TSV, JSON Lines, JSON or Parquet file"));
        }
        for file in &files {
            check_columns(file, &columns)?;
        }
        let root = folder_of(source);
        read_all(source, files.into_iter().map(|file| (file, ())).collect(), move |record, ()| {
            row(record, &root, &columns)
        })
    }
}

/// Refuses a table that lacks one of the named columns in its first row.
fn check_columns(file: &Path, columns: &Columns) -> Result<(), Problems> {
    let Some(first) = records::first(file) else { return Ok(()) };
    let named = columns.image.iter().chain(&columns.options);
    let single = [&columns.question, &columns.answer, &columns.group, &columns.split];
    let missing = named.chain(single.into_iter().flatten()).filter(|name| !first.contains_key(*name));
    let is_lines = first.is_empty();
    let problems: Vec<Problem> = missing
        .filter(|_| !is_lines)
        .map(|name| {
            let there: Vec<&str> = first.keys().map(String::as_str).collect();
            let advice = format!("name one of its columns: {}", there.join(", "));
            Problem::new(file, format!("has no column {name:?}"), advice)
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

fn row(record: &Record, root: &Path, columns: &Columns) -> Result<Entry, Problems> {
    let mut images = Vec::new();
    for column in &columns.image {
        let value = record.fields.get(column);
        match value {
            Some(Value::String(_)) => {
                let paths =
                    listed(value).into_iter().map(|path| path.trim().to_owned()).filter(|path| !path.is_empty());
                images.extend(paths.map(|path| ImageRef::file(column, root, path)));
            }
            _ => images.extend(image_cells::images(record, &[column], root, &[""]).1),
        }
    }
    if images.is_empty() {
        let column = columns.image.first().map_or("image", String::as_str);
        return Err(record.problem(column, "is empty", "fill it in, or leave faulty rows out with --keep-going"));
    }
    let answer = columns.answer.as_deref().unwrap_or_default();
    let options = match &columns.options[..] {
        [one] => separated(record.fields.get(one)),
        several => several.iter().map(|column| record.single(column)).collect::<Result<_, _>>()?,
    };
    let question = Question {
        text: record.required(columns.question.as_deref().unwrap_or_default())?,
        field: columns.question.clone(),
        options,
        golds: vec![Gold::new(answer, record.single(answer)?, GoldForm::Either)],
        fields: record.fields.keys().map(|name| (name.clone(), record.trimmed(name))).collect(),
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), images, vec![question]);
    if let Some(column) = &columns.group {
        row.links = vec![record.required(column)?];
    }
    if let Some(column) = &columns.split {
        let name = record.required(column)?;
        row.split = Some(side(&name).ok_or_else(|| {
            record.problem(column, format!("{name:?} is no side of the split"), "write train, validation or test")
        })?);
    }
    Ok(Entry::Row(Box::new(row)))
}

/// Returns a list, or a text that is a JSON list, or a text as a list of one.
fn listed(value: Option<&Value>) -> Vec<String> {
    if let Some(Value::String(text)) = value
        && text.trim_start().starts_with('[')
        && let Ok(Value::Array(list)) = serde_json::from_str(text)
    {
        return texts(Some(&Value::Array(list)));
    }
    texts(value)
}

/// Returns the options of one cell: a list, a JSON list, or a text with `|` between the options.
fn separated(value: Option<&Value>) -> Vec<String> {
    match listed(value) {
        list if list.len() == 1 => list[0].split('|').map(str::to_owned).collect(),
        list => list,
    }
}
