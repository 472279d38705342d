//! DrVD-Bench: JSON Lines of `visual_evidence_qa`, `independent_qa`, `joint_qa` and `report_generation`. Questions with one
//! answer are read; joint prompts and reports are left out.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::{Record, texts};
use super::super::records;
use super::common::{fields_mark, folder_of, nothing_to_read, read_all};
use super::image_cells::images;

/// Fields that a category map can use, beside `about`: `level`, or `task` where the level is a number or missing.
const FIELDS: &[&str] = &["modality", "task", "level"];

/// Names of the files, or of their folders.
const QUESTIONS: [&str; 2] = ["visual_evidence_qa", "independent_qa"];
const JOINT: &str = "joint_qa";
const REPORTS: &str = "report_generation";

/// Task of a question that asks for a report.
const CAPTION: &str = "caption";

/// Fields with the path of the image.
const IMAGES: [&str; 2] = ["image_paths", "image_path"];

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
        include_str!("maps/drvd-bench.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files: Vec<(PathBuf, ())> = files(source).into_iter().map(|file| (file, ())).collect();
        if files.is_empty() {
            return Err(nothing_to_read(source, "JSON Lines file with image_paths"));
        }
        let root = folder_of(source);
        read_all(source, files, move |record, ()| row(record, &root))
    }
}

/// Returns the JSON Lines files of the folder and of the folders in it whose records have `image_paths`, and those with a
/// name of the data set whose records have `image_path`.
fn files(source: &Path) -> Vec<PathBuf> {
    let names = QUESTIONS.into_iter().chain([JOINT, REPORTS]);
    let below = ["", "data"].into_iter().chain(names.clone());
    let all = below.map(|name| if name.is_empty() { source.to_owned() } else { source.join(name) });
    let all = all.flat_map(|folder| records::files(&folder, &["jsonl"]));
    let fits = |path: &PathBuf| {
        let is_named = names.clone().any(|name| is_of(path, name));
        let has = |fields: &Map<String, Value>| {
            fields.contains_key(IMAGES[0]) || (is_named && fields.contains_key(IMAGES[1]))
        };
        records::first(path).is_some_and(|fields| has(&fields))
    };
    all.filter(fits).collect()
}

/// Returns whether a file, or its folder, has this name.
fn is_of(file: &Path, name: &str) -> bool {
    [Some(file), file.parent()].into_iter().flatten().any(|path| path.file_stem().is_some_and(|stem| stem == name))
}

fn row(record: &Record, root: &Path) -> Result<Entry, Problems> {
    if record.fields.contains_key("joint_prompt") || is_of(&record.place.file, JOINT) {
        return Ok(Entry::LeftOut(record.place.clone(), "a joint prompt with several answers".into()));
    }
    let is_report = is_of(&record.place.file, REPORTS) || record.trimmed("task") == CAPTION;
    if is_report || !record.fields.contains_key("answer") {
        return Ok(Entry::LeftOut(record.place.clone(), "a report instead of an answer".into()));
    }
    let (field, images) = images(record, &IMAGES, root, &["", "images", "data"]);
    if images.is_empty() {
        return Err(record.problem(field, "is empty", "fill it in, or leave faulty rows out with --keep-going"));
    }
    let options = texts(record.fields.get("options"));
    if record.fields.get("options").is_some_and(|listed| *listed != Value::Array(Vec::new()) && !listed.is_null())
        && options.iter().all(|option| option.trim().is_empty())
    {
        return Err(record.problem("options", "has no option with a text", "write a list of texts"));
    }
    let mut fields = record.pick(FIELDS);
    let is_word = |text: &String| text.chars().any(char::is_alphabetic);
    let about = ["level", "task"].into_iter().map(|field| record.trimmed(field)).find(is_word);
    fields.extend(about.map(|text| ("about".to_owned(), text)));
    let question = Question {
        text: record.required("question")?,
        options,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Either)],
        fields,
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), images, vec![question]);
    row.modality = Some(record.trimmed("modality")).filter(|text| !text.is_empty()).map(|text| text.to_lowercase());
    Ok(Entry::Row(Box::new(row)))
}
