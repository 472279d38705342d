//! VQA-RAD as its authors published it: one JSON array and `VQA_RAD Image Folder/`. Test questions are marked by
//! `phrase_type`, and `qid_linked_id` joins paraphrases. Also in Parquet, as the Hugging Face hub has it: `image`,
//! `question`, `answer`.

use std::path::{Path, PathBuf};

use stepwise_data::case::Split;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::super::records;
use super::common::{fields_mark, nothing_to_read, read_all};
use super::hugging_face::{has_validation, mark, plain, rows};

const FOLDER: &str = "VQA_RAD Image Folder";

/// VQA-RAD.
pub(super) struct VqaRad;

impl Format for VqaRad {
    fn name(&self) -> &'static str {
        "vqa-rad"
    }

    fn about(&self) -> &'static str {
        "VQA-RAD, original files (VQA_RAD Dataset Public.json, VQA_RAD Image Folder/) or Parquet"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let parquet = plain(source);
        if !parquet.is_empty() {
            return vec![
                mark(&parquet, "Parquet file", "image, question, answer and nothing else"),
                Mark::common("no file of the validation side", !has_validation(source, &parquet)),
            ];
        }
        vec![
            fields_mark(
                &files(source),
                "VQA_RAD Dataset Public.json",
                &["image_name", "question", "answer", "phrase_type"],
            ),
            Mark::new(format!("{FOLDER}/"), source.join(FOLDER).is_dir()),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/vqa-rad.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files: Vec<(PathBuf, ())> = files(source).into_iter().map(|file| (file, ())).collect();
        if files.is_empty() {
            let parquet = plain(source);
            if !parquet.is_empty() {
                return rows(source, parquet, &[], |_, _| {});
            }
            return Err(nothing_to_read(source, "VQA_RAD Dataset Public.json and no Parquet file"));
        }
        let root = source.to_owned();
        read_all(source, files, move |record, ()| row(record, &root))
    }
}

/// Returns the JSON files whose records have a `phrase_type`.
fn files(source: &Path) -> Vec<PathBuf> {
    let has = |path: &PathBuf| records::first(path).is_some_and(|fields| fields.contains_key("phrase_type"));
    records::files(source, &["json"]).into_iter().filter(has).collect()
}

fn row(record: &Record, root: &Path) -> Result<Entry, Problems> {
    let name = record.required("image_name")?;
    let split = match record.required("phrase_type")?.to_ascii_lowercase().as_str() {
        "freeform" | "para" => Split::Train,
        "test_freeform" | "test_para" => Split::Test,
        other => {
            let advice = "write freeform, para, test_freeform or test_para";
            return Err(record.problem("phrase_type", format!("{other:?} is not known"), advice));
        }
    };
    let question = Question {
        text: record.required("question")?,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Text)],
        fields: record.pick(&["question_type", "answer_type", "image_organ", "phrase_type"]),
        ..Question::default()
    };
    let image = ImageRef::file("image_name", root, format!("{FOLDER}/{name}"));
    let mut row = Row::new(record.place.clone(), vec![image], vec![question]);
    // An image is a patient.
    row.links = vec![name.clone()];
    let linked = [record.trimmed("qid_linked_id"), record.trimmed("qid")];
    if let Some(id) = linked.into_iter().find(|id| !id.is_empty() && !id.eq_ignore_ascii_case("null")) {
        row.links.push(format!("paraphrases of {id}"));
    }
    row.split = Some(split);
    row.body_region =
        Some(record.trimmed("image_organ")).filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
    Ok(Entry::Row(Box::new(row)))
}
