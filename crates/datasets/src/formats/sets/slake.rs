//! SLAKE: `train.json`, `validate.json`, `test.json` and `imgs/`, with boxes and masks of organs and findings. The published split is by question, so most test
//! images are in the training file, too. Also in Parquet with the image in each row.

use std::cell::RefCell;
use std::path::Path;

use stepwise_data::case::Split;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::common::{fields_mark, nothing_to_read, read_all};
use super::hugging_face::{mark, rows, shards};
use super::slake_boxes::Boxes;
use super::slake_files::{image, regions};
use super::slake_masks::labels;

const FILES: [(&str, Split); 3] =
    [("train.json", Split::Train), ("validate.json", Split::Validation), ("test.json", Split::Test)];

/// Columns of Parquet files.
const COLUMNS: &[&str] = &["image", "question", "answer", "content_type"];

/// Fields that a category map can use.
const FIELDS: &[&str] = &["content_type", "base_type", "answer_type", "q_lang", "location", "modality"];

/// SLAKE.
pub(super) struct Slake;

impl Format for Slake {
    fn name(&self) -> &'static str {
        "slake"
    }

    fn about(&self) -> &'static str {
        "SLAKE, English and Chinese (train.json, validate.json, test.json, imgs/, or Parquet)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let parquet = shards(source, COLUMNS);
        if !parquet.is_empty() {
            return vec![mark(&parquet, "Parquet file", "image, question, answer, content_type")];
        }
        let files: Vec<_> = FILES.iter().map(|(name, _)| source.join(name)).filter(|path| path.is_file()).collect();
        vec![
            fields_mark(&files, "train.json", &["img_name", "question", "answer", "content_type"]),
            Mark::new("imgs/", source.join("imgs").is_dir()),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/slake.toml")
    }

    fn entries(&self, source: &Path, options: &FormatOptions) -> Result<Rows, Problems> {
        let files = FILES.iter().map(|(name, split)| (source.join(name), *split));
        let files: Vec<_> = files.filter(|(path, _)| path.is_file()).collect();
        if files.is_empty() {
            let parquet = shards(source, COLUMNS);
            if !parquet.is_empty() {
                return rows(source, parquet, FIELDS, describe);
            }
            return Err(nothing_to_read(source, "train.json, validate.json or test.json, and no Parquet file"));
        }
        let labels = labels(source, options.classes.as_deref())?;
        let root = source.to_owned();
        // The rows of an image follow each other.
        let last: RefCell<(String, Boxes)> = RefCell::default();
        read_all(source, files, move |record, split| {
            let path = image(&root, &record.required("img_name")?);
            let mut row = row(record, &root, &path, *split)?;
            let mut last = last.borrow_mut();
            if last.0 != path {
                let advice = "correct the file, or remove it";
                let boxes = regions(&root, &path, &labels).map_err(|what| record.problem("img_name", what, advice))?;
                row.remarks.clone_from(&boxes.remarks);
                *last = (path, boxes);
            }
            row.regions.clone_from(&last.1.regions);
            row.masks.clone_from(&last.1.masks);
            row.images.iter_mut().for_each(|image| image.size = last.1.size);
            Ok(Entry::Row(Box::new(row)))
        })
    }
}

fn row(record: &Record, root: &Path, path: &str, split: Split) -> Result<Row, Problems> {
    let image = ImageRef::file("img_name", root, path);
    let question = Question {
        text: record.required("question")?,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Text)],
        fields: record.pick(FIELDS),
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), vec![image], vec![question]);
    row.split = Some(split);
    describe(record, &mut row);
    Ok(row)
}

/// Records modality and part of the body.
fn describe(record: &Record, row: &mut Row) {
    row.modality = Some(record.trimmed("modality")).filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
    row.body_region = Some(record.trimmed("location")).filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
}
