//! Step-CoT: a JSON array with a chain of questions for each image. Each step builds on the one before it; the reasoning of
//! a step is its rationale.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::{Record, scalar, texts};
use super::super::records;
use super::common::{fields_mark, folder_of, nothing_to_read, read_all};
use super::image_cells::images;

const CHAIN: &str = "vqa_chain";

/// Step-CoT.
pub(super) struct StepCot;

impl Format for StepCot {
    fn name(&self) -> &'static str {
        "step-cot"
    }

    fn about(&self) -> &'static str {
        "Step-CoT (data.json with patient_id, image_path, vqa_chain)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        vec![fields_mark(&files(source), "data.json", &["image_path", CHAIN])]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files: Vec<(PathBuf, ())> = files(source).into_iter().map(|file| (file, ())).collect();
        if files.is_empty() {
            return Err(nothing_to_read(source, "data.json with vqa_chain"));
        }
        let root = folder_of(source);
        read_all(source, files, move |record, ()| row(record, &root))
    }
}

fn files(source: &Path) -> Vec<PathBuf> {
    let has = |path: &PathBuf| records::first(path).is_some_and(|fields| fields.contains_key(CHAIN));
    records::files(source, &["json", "jsonl"]).into_iter().filter(has).collect()
}

fn row(record: &Record, root: &Path) -> Result<Entry, Problems> {
    let (field, images) = images(record, &["image_path"], root, &["", "images"]);
    if images.is_empty() {
        return Err(record.problem(field, "is empty", "fill it in, or leave faulty rows out with --keep-going"));
    }
    let Some(Value::Array(steps)) = record.fields.get(CHAIN) else {
        return Err(record.problem(CHAIN, "is no list of steps", "write the steps in brackets"));
    };
    let empty = Map::new();
    let questions = steps.iter().enumerate().map(|(place, step)| {
        let step = step.as_object().unwrap_or(&empty);
        let part = |key: &str| step.get(key).and_then(scalar).unwrap_or_default();
        let options = match step.get("options") {
            Some(Value::Object(lettered)) => lettered.values().filter_map(scalar).collect(),
            other => texts(other),
        };
        Question {
            text: part("question"),
            options,
            golds: vec![Gold::new(&format!("{CHAIN}[{place}].answer"), part("answer"), GoldForm::Either)],
            fields: vec![("step".to_owned(), part("step"))],
            continues: place > 0,
            rationale: Some(part("reasoning").trim().to_owned()).filter(|text| !text.is_empty()),
            ..Question::default()
        }
    });
    let mut row = Row::new(record.place.clone(), images, questions.collect());
    row.links = Some(record.trimmed("patient_id")).filter(|id| !id.is_empty()).into_iter().collect();
    Ok(Entry::Row(Box::new(row)))
}
