//! DrVD-Bench: JSON Lines of `visual_evidence_qa`, `independent_qa`, `joint_qa` and `report_generation`. Questions with one
//! answer are read; joint prompts and reports are left out.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::{Record, texts};
use super::super::records;
use super::common::{fields_mark, folder_of, nothing_to_read, read_all};
use super::image_cells::images;

/// Fields that a category map can use.
const FIELDS: &[&str] = &["modality", "task", "level"];

/// DrVD-Bench.
pub(super) struct DrvdBench;

impl Format for DrvdBench {
    fn name(&self) -> &'static str {
        "drvd-bench"
    }

    fn about(&self) -> &'static str {
        "DrVD-Bench (visual_evidence_qa, independent_qa; JSON Lines with image_paths, question, options, answer)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        vec![fields_mark(&files(source), "JSON Lines file", &["image_paths", "modality"])]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files: Vec<(PathBuf, ())> = files(source).into_iter().map(|file| (file, ())).collect();
        if files.is_empty() {
            return Err(nothing_to_read(source, "JSON Lines file with image_paths"));
        }
        let root = folder_of(source);
        read_all(files, move |record, ()| row(record, &root))
    }
}

/// Returns the JSON Lines files of the folder and of the folders in it whose records have `image_paths`.
fn files(source: &Path) -> Vec<PathBuf> {
    let below = ["", "data", "visual_evidence_qa", "independent_qa", "joint_qa", "report_generation"];
    let all = below.iter().map(|name| if name.is_empty() { source.to_owned() } else { source.join(name) });
    let all = all.flat_map(|folder| records::files(&folder, &["jsonl"]));
    all.filter(|path| records::first(path).is_some_and(|fields| fields.contains_key("image_paths"))).collect()
}

fn row(record: &Record, root: &Path) -> Result<Entry, Problems> {
    if record.fields.contains_key("joint_prompt") {
        return Ok(Entry::LeftOut(record.place.clone(), "a joint prompt with several answers".into()));
    }
    if !record.fields.contains_key("answer") {
        return Ok(Entry::LeftOut(record.place.clone(), "a report instead of an answer".into()));
    }
    let (field, images) = images(record, &["image_paths"], root, &["", "images", "data"]);
    if images.is_empty() {
        return Err(record.problem(field, "is empty", "fill it in, or leave faulty rows out with --keep-going"));
    }
    let options = texts(record.fields.get("options"));
    if record.fields.get("options").is_some_and(|listed| *listed != Value::Array(Vec::new()) && !listed.is_null())
        && options.iter().all(|option| option.trim().is_empty())
    {
        return Err(record.problem("options", "has no option with a text", "write a list of texts"));
    }
    let question = Question {
        text: record.required("question")?,
        options,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Either)],
        fields: record.pick(FIELDS),
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), images, vec![question]);
    row.modality = Some(record.trimmed("modality")).filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
    Ok(Entry::Row(Box::new(row)))
}
