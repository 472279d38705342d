//! MedVIGIL: `probes_mcq.csv` (or `manifest.csv` alone), with regions, reasons and the effect of a flip in `grounding.csv`.
//! Questions about altered images are left out, because the benchmark alters images itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use stepwise_data::case::{Laterality, RegionRole, Split};
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, RegionDraft, Row, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::super::records;
use super::common::{below_first, fields_mark, nothing_to_read, read_all};

const PROBES: &str = "probes_mcq.csv";
const MANIFEST: &str = "manifest.csv";
const GROUNDING: &str = "grounding.csv";

/// Columns of the options.
const CHOICES: [&str; 5] = ["choice_A", "choice_B", "choice_C", "choice_D", "choice_E"];

/// Kinds of questions about something else than the region of the case.
const ELSEWHERE: [&str; 2] = ["halluc_trap", "knowledge_only"];

/// MedVIGIL.
pub(super) struct MedVigil;

impl Format for MedVigil {
    fn name(&self) -> &'static str {
        "medvigil"
    }

    fn about(&self) -> &'static str {
        "MedVIGIL (probes_mcq.csv, manifest.csv, grounding.csv, images/)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let named = |name: &str| vec![source.join(name)].into_iter().filter(|path| path.is_file()).collect::<Vec<_>>();
        vec![
            fields_mark(&named(MANIFEST), MANIFEST, &["case_id", "image_file", "question", "gold_answer"]),
            fields_mark(&named(GROUNDING), GROUNDING, &["case_id", "roi_bbox_norm"]),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/medvigil.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let is_there = |name: &&str| source.join(name).is_file();
        let Some(questions) = [PROBES, MANIFEST].into_iter().find(is_there) else {
            return Err(nothing_to_read(source, "probes_mcq.csv or manifest.csv"));
        };
        let known = Known { manifest: by_case(&source.join(MANIFEST))?, grounding: by_case(&source.join(GROUNDING))? };
        let root = source.to_owned();
        let files: Vec<(PathBuf, Arc<Known>)> = vec![(source.join(questions), Arc::new(known))];
        read_all(source, files, move |record, known| row(record, &root, known))
    }
}

/// Records by their case.
struct Known {
    manifest: BTreeMap<String, Record>,
    grounding: BTreeMap<String, Record>,
}

impl Known {
    /// Returns a field of a case: of the record itself, of the manifest, or of the grounding.
    fn field(&self, record: &Record, name: &str) -> String {
        let case = record.trimmed("case_id");
        let others = [self.manifest.get(&case), self.grounding.get(&case)].into_iter().flatten();
        std::iter::once(record)
            .chain(others)
            .map(|one| one.trimmed(name))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }
}

/// Reads the records of a file by their case; none without the file.
///
/// # Errors
/// When the file cannot be read, or has a case twice.
fn by_case(file: &Path) -> Result<BTreeMap<String, Record>, Problems> {
    if !file.is_file() {
        return Ok(BTreeMap::new());
    }
    let mut records = BTreeMap::new();
    for record in records::open(file)? {
        let record = record?;
        let id = record.trimmed("case_id");
        if records.contains_key(&id) {
            return Err(record.problem("case_id", format!("{id:?} is there twice"), "keep one of the rows"));
        }
        records.insert(id, record);
    }
    Ok(records)
}

fn row(record: &Record, root: &Path, known: &Known) -> Result<Entry, Problems> {
    let left_out = |reason: &str| Ok(Entry::LeftOut(record.place.clone(), reason.into()));
    let file = record.required("image_file")?;
    if record.trimmed("probe_axis") == "image" || file.starts_with("images_perturbed/") {
        return left_out("an altered image; the benchmark alters images itself");
    }
    let field = |name: &str| known.field(record, name);
    let path = below_first(root, &["images", ""], &file);
    let is_credentialed = field("source_dataset").eq_ignore_ascii_case("cxr");
    if is_credentialed && !root.join(&path).exists() {
        return left_out("a chest X-ray that needs credentials and is not there");
    }
    let kind = record.trimmed("probe_kind");
    let is_original = kind.is_empty() || kind == "original";
    let options: Vec<String> = CHOICES.iter().map(|name| record.text(name).unwrap_or_default()).collect();
    let golds = match record.fields.contains_key("correct_letter") {
        true => vec![Gold::new("correct_letter", record.text("correct_letter").unwrap_or_default(), GoldForm::Letter)],
        false => vec![Gold::new("gold_answer", record.text("gold_answer").unwrap_or_default(), GoldForm::Text)],
    };
    let names = ["source_dataset", "modality", "risk_tier", "text_only_answerable"];
    let fields = names.iter().map(|name| ((*name).to_owned(), field(name))).filter(|(_, text)| !text.is_empty());
    let mut question = Question {
        text: record.required("question")?,
        options,
        golds,
        fields: fields.chain(record.pick(&["probe_kind"])).collect(),
        ..Question::default()
    };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    if is_original {
        question.rationale = some(field("answer_rationale"));
        question.laterality = flag(&field("laterality_dependent")).map(|dependent| Laterality {
            dependent,
            flipped_gold: some(field("gold_after_lr_flip")).filter(|_| dependent),
        });
    }
    let mut row = Row::new(record.place.clone(), vec![ImageRef::file("image_file", root, path)], Vec::new());
    match region(&field("roi_bbox_norm"), field("roi_pointer")) {
        Ok(Some(region)) => {
            row.regions.push(region);
            question.evidence = if ELSEWHERE.contains(&kind.as_str()) { Vec::new() } else { vec![0] };
        }
        Ok(None) => {}
        Err(()) => row.remarks.push("roi_bbox_norm that is no box [x0, y0, x1, y1] in parts of the image".into()),
    }
    row.questions.push(question);
    row.split = Some(Split::Test);
    row.modality = some(field("modality").to_lowercase());
    row.risk_tier = some(field("risk_tier"));
    row.credentialed = is_credentialed;
    Ok(Entry::Row(Box::new(row)))
}

/// Reads a flag; None for other texts.
fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Reads a region from its box `[x0, y0, x1, y1]` in parts of the image, 0 to 1. None without a box, and for the whole
/// image, which points at nothing.
fn region(text: &str, label: String) -> Result<Option<RegionDraft>, ()> {
    if text.is_empty() || text == "null" {
        return Ok(None);
    }
    let numbers: Vec<Value> = serde_json::from_str(text).map_err(|_| ())?;
    let numbers: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
    let Some([x0, y0, x1, y1]) = numbers.as_deref() else { return Err(()) };
    let bounds = [*x0, *y0, *x1, *y1];
    if bounds == [0.0, 0.0, 1.0, 1.0] {
        return Ok(None);
    }
    if !(bounds.iter().all(|part| (0.0..=1.0).contains(part)) && x0 < x1 && y0 < y1) {
        return Err(());
    }
    let label = if label.is_empty() { "region of interest".to_owned() } else { label };
    Ok(Some(RegionDraft { image: 0, label, bounds, unit: Unit::Fractions, role: RegionRole::Finding }))
}
