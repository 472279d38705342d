//! SLAKE: `train.json`, `validate.json`, `test.json` and `imgs/`. The published split is by question, so most test
//! images are in the training file, too.

use std::path::Path;

use stepwise_data::case::Split;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::common::{fields_mark, nothing_to_read, read_all};

const FILES: [(&str, Split); 3] =
    [("train.json", Split::Train), ("validate.json", Split::Validation), ("test.json", Split::Test)];

/// Fields that a category map can use.
const FIELDS: &[&str] = &["content_type", "base_type", "answer_type", "q_lang", "location", "modality"];

/// SLAKE.
pub(super) struct Slake;

impl Format for Slake {
    fn name(&self) -> &'static str {
        "slake"
    }

    fn about(&self) -> &'static str {
        "SLAKE, English and Chinese (train.json, validate.json, test.json, imgs/)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let files: Vec<_> = FILES.iter().map(|(name, _)| source.join(name)).filter(|path| path.is_file()).collect();
        vec![
            fields_mark(&files, "train.json", &["img_name", "question", "answer", "content_type"]),
            Mark::new("imgs/", source.join("imgs").is_dir()),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/slake.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files = FILES.iter().map(|(name, split)| (source.join(name), *split));
        let files: Vec<_> = files.filter(|(path, _)| path.is_file()).collect();
        if files.is_empty() {
            return Err(nothing_to_read(source, "train.json, validate.json or test.json"));
        }
        let root = source.to_owned();
        read_all(files, move |record, split| row(record, &root, *split))
    }
}

fn row(record: &Record, root: &Path, split: Split) -> Result<Entry, Problems> {
    let image = ImageRef::file("img_name", root, format!("imgs/{}", record.required("img_name")?));
    let question = Question {
        text: record.required("question")?,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Text)],
        fields: record.pick(FIELDS),
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), vec![image], vec![question]);
    row.split = Some(split);
    row.modality = Some(record.trimmed("modality")).filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
    row.body_region = Some(record.trimmed("location")).filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
    Ok(Entry::Row(Box::new(row)))
}
