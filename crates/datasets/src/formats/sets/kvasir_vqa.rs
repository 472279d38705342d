//! Kvasir-VQA in Parquet (`image`, `source`, `question`, `answer`, `img_id`), and Kvasir-VQA-x1, whose rows name the
//! images of the former by `img_id`. Kvasir-VQA has no split, Kvasir-VQA-x1 has files of sides; an image is a group.

use std::path::{Path, PathBuf};

use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::common::{below_first, folder_of, nothing_to_read, read_all};
use super::hugging_face::{mark, shards};
use super::image_cells::images;

/// Fields that a category map can use.
const FIELDS: &[&str] = &["source", "question_class", "complexity"];

/// Kvasir-VQA.
pub(super) struct KvasirVqa;

impl Format for KvasirVqa {
    fn name(&self) -> &'static str {
        "kvasir-vqa"
    }

    fn about(&self) -> &'static str {
        "Kvasir-VQA in Parquet (image, source, question, answer, img_id), and Kvasir-VQA-x1 with images/IMG_ID.jpg"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        vec![mark(&files(source), "Parquet file", "img_id, question, answer, and source or question_class")]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/kvasir-vqa.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files = files(source);
        if files.is_empty() {
            return Err(nothing_to_read(source, "Parquet file with img_id, question, answer and source"));
        }
        let root = folder_of(source);
        let files = files.into_iter().map(|file| (file, ()));
        read_all(source, files.collect(), move |record, ()| row(record, &root))
    }
}

fn files(source: &Path) -> Vec<PathBuf> {
    let mut found = shards(source, &["img_id", "question", "answer", "source"]);
    found.extend(shards(source, &["img_id", "question", "answer", "question_class"]));
    found.sort();
    found.dedup();
    found
}

fn row(record: &Record, root: &Path) -> Result<Entry, Problems> {
    let id = record.required("img_id")?;
    let (_, mut images) = images(record, &["image"], root, &["images", ""]);
    if images.is_empty() {
        let path = below_first(root, &["images", ""], &format!("{id}.jpg"));
        images.push(ImageRef::file("img_id", root, path));
    }
    let question = Question {
        text: record.required("question")?,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Text)],
        fields: record.pick(FIELDS),
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), images, vec![question]);
    row.links = vec![id];
    row.modality = Some("endoscopy".into());
    Ok(Entry::Row(Box::new(row)))
}
