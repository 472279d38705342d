//! OmniMedVQA: `QA_information/Open-access/*.json`, `QA_information/Restricted-access/*.json` and `Images/`. Images of
//! the restricted sets need credentials.

use std::path::{Path, PathBuf};

use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::super::records;
use super::common::{fields_mark, nothing_to_read, read_all};

/// Folders of annotations, and whether access to their images needs credentials.
const FOLDERS: [(&str, bool); 2] = [("QA_information/Open-access", false), ("QA_information/Restricted-access", true)];

const OPTIONS: [&str; 4] = ["option_A", "option_B", "option_C", "option_D"];

/// OmniMedVQA.
pub(super) struct OmniMedVqa;

impl Format for OmniMedVqa {
    fn name(&self) -> &'static str {
        "omni-med-vqa"
    }

    fn about(&self) -> &'static str {
        "OmniMedVQA (QA_information/Open-access/, QA_information/Restricted-access/, Images/)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let files: Vec<PathBuf> = files(source).into_iter().map(|(path, _)| path).collect();
        vec![fields_mark(&files, "QA_information/Open-access/*.json", &["question_type", "gt_answer", "image_path"])]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/omni-med-vqa.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files = files(source);
        if files.is_empty() {
            return Err(nothing_to_read(source, "JSON file in QA_information/Open-access or Restricted-access"));
        }
        let root = source.to_owned();
        read_all(source, files, move |record, credentialed| row(record, &root, *credentialed))
    }
}

fn files(source: &Path) -> Vec<(PathBuf, bool)> {
    let all =
        FOLDERS.iter().map(|(folder, credentialed)| (records::files(&source.join(folder), &["json"]), *credentialed));
    all.flat_map(|(files, credentialed)| files.into_iter().map(move |file| (file, credentialed))).collect()
}

fn row(record: &Record, root: &Path, credentialed: bool) -> Result<Entry, Problems> {
    // One entry of the published files has `modality` instead.
    let modality =
        ["modality_type", "modality"].map(|field| record.trimmed(field)).into_iter().find(|text| !text.is_empty());
    let mut fields = record.pick(&["question_type", "dataset"]);
    fields.extend(modality.clone().map(|text| ("modality_type".to_owned(), text)));
    let question = Question {
        text: record.required("question")?,
        options: OPTIONS.iter().map(|option| record.text(option).unwrap_or_default()).collect(),
        golds: vec![Gold::new("gt_answer", record.text("gt_answer").unwrap_or_default(), GoldForm::Text)],
        fields,
        ..Question::default()
    };
    let image = ImageRef::file("image_path", root, record.required("image_path")?);
    let mut row = Row::new(record.place.clone(), vec![image], vec![question]);
    row.modality = modality.map(|text| text.to_lowercase());
    row.credentialed = credentialed;
    Ok(Entry::Row(Box::new(row)))
}
