//! ProbMed: a JSON array of yes/no questions in pairs. `qa_type` names the kind of the question, whether it is of the
//! ground truth (`_gt_`) or made up (`_hallu_`), and the pair. The two questions of a pair have opposite answers.

use std::path::{Path, PathBuf};

use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::super::records;
use super::common::{fields_mark, folder_of, nothing_to_read, read_all};
use super::image_cells::images;

/// ProbMed.
pub(super) struct ProbMed;

impl Format for ProbMed {
    fn name(&self) -> &'static str {
        "probmed"
    }

    fn about(&self) -> &'static str {
        "ProbMed (JSON array with image, image_type, qa_type, question, answer)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        vec![fields_mark(&files(source), "JSON file", &["image", "image_type", "qa_type", "question", "answer"])]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/probmed.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files: Vec<(PathBuf, ())> = files(source).into_iter().map(|file| (file, ())).collect();
        if files.is_empty() {
            return Err(nothing_to_read(source, "JSON file with image_type and qa_type"));
        }
        let root = folder_of(source);
        read_all(source, files, move |record, ()| row(record, &root))
    }
}

fn files(source: &Path) -> Vec<PathBuf> {
    let has = |path: &PathBuf| records::first(path).is_some_and(|fields| fields.contains_key("qa_type"));
    records::files(source, &["json"]).into_iter().filter(has).collect()
}

fn row(record: &Record, root: &Path) -> Result<Entry, Problems> {
    let (field, images) = images(record, &["image"], root, &["", "images"]);
    if images.is_empty() {
        return Err(record.problem(field, "is empty", "fill it in, or leave faulty rows out with --keep-going"));
    }
    let kind = record.required("qa_type")?;
    let mut fields = record.pick(&["qa_type", "image_type"]);
    let name = kind.split("_gt").next().and_then(|name| name.split("_hallu").next()).unwrap_or_default();
    fields.push(("qa_kind".into(), name.to_owned()));
    let is_paired = kind.contains("_gt") || kind.contains("_hallu");
    let question = Question {
        text: record.required("question")?,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Text)],
        fields,
        pair: is_paired.then(|| kind.replacen("_gt", "", 1).replacen("_hallu", "", 1)),
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), images, vec![question]);
    row.modality = Some(record.trimmed("image_type")).filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
    Ok(Entry::Row(Box::new(row)))
}
