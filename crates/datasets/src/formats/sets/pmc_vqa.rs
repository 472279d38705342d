//! PMC-VQA, versions 1 (`train.csv`, `test.csv`, `test_clean.csv`, `images/`) and 2 (`train_2.csv`, `test_2.csv`,
//! `figures/`). In version 1 `Answer` is the text and `Answer_label` the letter, in version 2 `Answer` is either.

use std::path::{Path, PathBuf};

use stepwise_data::case::Split;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::common::{below_first, fields_mark, nothing_to_read, read_all, side};

/// Files with their side. `test_clean.csv` is a part of `test.csv`, so it is read only without that file.
const FILES: [(&str, Split); 5] = [
    ("train.csv", Split::Train),
    ("test.csv", Split::Test),
    ("test_clean.csv", Split::Test),
    ("train_2.csv", Split::Train),
    ("test_2.csv", Split::Test),
];

const CHOICES: [&str; 4] = ["Choice A", "Choice B", "Choice C", "Choice D"];

/// PMC-VQA.
pub(super) struct PmcVqa;

impl Format for PmcVqa {
    fn name(&self) -> &'static str {
        "pmc-vqa"
    }

    fn about(&self) -> &'static str {
        "PMC-VQA, versions 1 and 2 (train.csv, test.csv or train_2.csv, test_2.csv; images/ or figures/)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let files: Vec<PathBuf> = files(source).into_iter().map(|(path, _)| path).collect();
        vec![fields_mark(&files, "train.csv", &["Figure_path", "Question", "Choice A", "Choice B"])]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files = files(source);
        if files.is_empty() {
            return Err(nothing_to_read(source, "train.csv, test.csv, train_2.csv or test_2.csv"));
        }
        let root = source.to_owned();
        read_all(source, files, move |record, split| row(record, &root, *split))
    }
}

fn files(source: &Path) -> Vec<(PathBuf, Split)> {
    let has_test = source.join("test.csv").is_file();
    let wanted = FILES.iter().filter(|(name, _)| !(has_test && *name == "test_clean.csv"));
    wanted.map(|(name, split)| (source.join(name), *split)).filter(|(path, _)| path.is_file()).collect()
}

fn row(record: &Record, root: &Path, split: Split) -> Result<Entry, Problems> {
    let name = record.required("Figure_path")?;
    let mut golds = Vec::new();
    // An older file has the misspelt name.
    for (field, form) in
        [("Answer", GoldForm::Either), ("Anwser", GoldForm::Either), ("Answer_label", GoldForm::Letter)]
    {
        let text = record.text(field).unwrap_or_default();
        if !text.trim().is_empty() {
            let has_label = !record.trimmed("Answer_label").is_empty();
            let form = if has_label && form == GoldForm::Either { GoldForm::Text } else { form };
            golds.push(Gold::new(field, text, form));
        }
    }
    if golds.is_empty() {
        golds.push(Gold::new("Answer", "", GoldForm::Either));
    }
    let question = Question {
        text: record.required("Question")?,
        options: CHOICES.iter().map(|choice| record.text(choice).unwrap_or_default()).collect(),
        golds,
        ..Question::default()
    };
    let path = below_first(root, &["images", "figures", ""], &name);
    let mut row = Row::new(record.place.clone(), vec![ImageRef::file("Figure_path", root, path)], vec![question]);
    row.split = side(&record.trimmed("split")).or(Some(split));
    Ok(Entry::Row(Box::new(row)))
}
