//! TSV files of VLMEvalKit: MedXpertQA-MM, GMAI-MMBench, OmniMedVQA, PathVQA. Images are base64 in their cell; a short
//! cell is the index of the row that holds the image, and several images are a list in one cell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageAt, ImageRef, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::super::records;
use super::common::{fields_mark, nothing_to_read, read_all, side};

/// Longest cell that is the index of another row.
const LONGEST_INDEX: usize = 64;

const LETTERS: [&str; 10] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"];

/// Columns that hold megabytes or the answer, so no rule of a map compares them.
const NOT_COMPARED: &[&str] = &["image", "question", "answer", "index"];

/// TSV files of VLMEvalKit.
pub(super) struct VlmEvalKit;

impl Format for VlmEvalKit {
    fn name(&self) -> &'static str {
        "vlmevalkit"
    }

    fn about(&self) -> &'static str {
        "TSV of VLMEvalKit with images as base64 (index, image, question, A to J, answer)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        vec![fields_mark(&records::files(source, &["tsv"]), "TSV file", &["index", "image", "question"])]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files = records::files(source, &["tsv"]);
        if files.is_empty() {
            return Err(nothing_to_read(source, "TSV file"));
        }
        let mut with_images: Vec<(PathBuf, Shared)> = Vec::new();
        for file in files {
            let shared = shared(&file)?;
            with_images.push((file, shared));
        }
        read_all(source, with_images, row)
    }
}

/// Images that other rows refer to, by the index of their row.
type Shared = BTreeMap<String, Rc<str>>;

/// Reads the images of a file that other rows refer to. Rows that cannot be read are reported later.
fn shared(file: &Path) -> Result<Shared, Problems> {
    let mut wanted = BTreeSet::new();
    for record in records::open(file)?.flatten() {
        let image = record.trimmed("image");
        if image.len() <= LONGEST_INDEX && !image.is_empty() {
            wanted.insert(image);
        }
    }
    let mut images = Shared::new();
    if !wanted.is_empty() {
        for record in records::open(file)?.flatten() {
            let index = record.trimmed("index");
            if !wanted.contains(&index) {
                continue;
            }
            if images.contains_key(&index) {
                let what = format!("{index:?} is there twice, and rows refer to its image");
                return Err(record.problem("index", what, "give each row its own index"));
            }
            images.insert(index, Rc::from(record.trimmed("image")));
        }
    }
    Ok(images)
}

fn row(record: &Record, shared: &Shared) -> Result<Entry, Problems> {
    let cell = record.required("image")?;
    let index = record.required("index")?;
    let (owner, cell) = if cell.len() <= LONGEST_INDEX {
        let image = shared.get(&cell).filter(|image| image.len() > LONGEST_INDEX);
        let image = image.ok_or_else(|| {
            record.problem("image", format!("no row with the index {cell:?} holds an image"), "correct the index")
        })?;
        (cell, image.to_string())
    } else {
        (index, cell)
    };
    let images = parts(&cell).into_iter().enumerate().map(|(place, text)| ImageRef {
        field: "image".into(),
        at: ImageAt::Base64(format!("row-{owner}-{place}"), text),
        size: None,
    });
    let hint = record.trimmed("hint");
    let question = record.required("question")?;
    let mut options: Vec<String> = LETTERS.iter().map(|letter| record.text(letter).unwrap_or_default()).collect();
    while options.last().is_some_and(|option| option.trim().is_empty()) {
        options.pop();
    }
    let fields = record.fields.keys().filter(|name| !NOT_COMPARED.contains(&name.as_str()));
    let question = Question {
        text: if hint.is_empty() { question } else { format!("{hint}\n{question}") },
        options,
        golds: vec![Gold::new("answer", record.text("answer").unwrap_or_default(), GoldForm::Either)],
        fields: fields.map(|name| (name.clone(), record.trimmed(name))).collect(),
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), images.collect(), vec![question]);
    row.split = side(&record.trimmed("split"));
    row.modality = Some(record.trimmed("modality")).filter(|text| !text.is_empty());
    Ok(Entry::Row(Box::new(row)))
}

/// Returns the images of a cell: one, or those of a list in brackets, as Python writes it.
fn parts(cell: &str) -> Vec<String> {
    match cell.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(list) => list.split(',').map(|part| part.trim().trim_matches(['\'', '"']).to_owned()).collect(),
        None => vec![cell.to_owned()],
    }
}
