//! Reads `[data]`: the cases for training and evaluation.

use std::path::PathBuf;

use serde::{Serialize, Serializer};
use stepwise_config::document::Value;
use stepwise_config::kind::{INTEGER_MAX, ValueKind};
use stepwise_config::problem::Location;
use stepwise_config::section::{Section, Words};
use stepwise_data::answer_text::{TextFault, answer_fault};
use stepwise_data::case::Split;

/// Table `[data]` of a recipe: the cases for training and evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Data {
    /// Source of the cases.
    #[serde(flatten)]
    pub source: CaseSource,
    /// Split that the benchmark evaluates after every epoch.
    pub eval_split: Split,
    /// Largest number of training cases to use, at least 1; None uses all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_samples: Option<u64>,
    /// Text of the abstain option that is added to every choice question without one; None adds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abstain_option: Option<String>,
}

/// Source of cases: case files or folders, or the generator of synthetic cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseSource {
    /// Case files, or folders that each hold `cases.jsonl` and its images; at least one.
    #[serde(serialize_with = "one_or_several")]
    Dataset(Vec<PathBuf>),
    /// Synthetic cases, generated when the run starts.
    Synth(Synth),
}

/// Settings of synthetic cases: `[data] synth = { cases, seed, image_size }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Synth {
    /// Number of cases over all splits, 1 to 10,000,000.
    pub cases: u64,
    /// Seed of the generator; equal seeds give identical cases and images.
    pub seed: u64,
    /// Side of the square images in pixels, 64 to 2048.
    pub image_size: u32,
}

/// Writes one folder as a string and several as a list, as a recipe does.
fn one_or_several<S: Serializer>(folders: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    match folders {
        [one] => one.serialize(serializer),
        several => several.serialize(serializer),
    }
}

impl std::fmt::Display for CaseSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dataset(folders) => {
                let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
                write!(f, "{}", folders.join(", "))
            }
            Self::Synth(Synth { cases, seed, .. }) => write!(f, "{cases} synthetic cases, seed {seed}"),
        }
    }
}

const EVAL_SPLITS: Words<Split> = &[("validation", Split::Validation), ("test", Split::Test)];

/// Reads `[data]`. `run_seed` is the default seed of synthetic cases. Wrong values, missing cases and two sources of
/// cases are reported; of two sources, a `--set` argument replaces the file.
pub(super) fn read(mut section: Section<'_>, run_seed: u64) -> Data {
    let written = section.at("synth");
    let mut synth = section.section("synth").about("Synthetic cases, generated when the run starts.");
    let generated = Synth {
        cases: synth.integer("cases", 400, 1..=10_000_000, "Number of cases to generate, over all splits."),
        seed: synth
            .integer_or(
                "seed",
                Some("the recipe's `seed`"),
                0..=INTEGER_MAX,
                "Seed of the generator; equal seeds give equal cases.",
            )
            .unwrap_or(run_seed),
        image_size: synth.integer("image_size", 128, 64..=2048, "Side of the square images, in pixels.") as u32,
    };
    synth.finish();
    let dataset_at = section.at("dataset");
    let dataset = folders(&mut section);
    if let Some(at) = section.rivals(written.as_ref(), dataset_at.as_ref()) {
        section.report(
            Some(&at),
            "`dataset` and `synth` are both given",
            "keep one: `dataset` reads a folder of cases, `synth` generates them",
        );
    }
    if written.is_none() && dataset_at.is_none() {
        section.report(
            None,
            "there are no training cases",
            "give `[data] dataset = \"FOLDER\"`, or generate cases with `[data] synth = { cases = 400 }`",
        );
    }
    // If both keys are given in different sources, the later source counts: a `--set` argument replaces the file.
    let later = |at: &Option<Location>| at.as_ref().map(|at| at.source);
    let dataset = dataset.filter(|_| later(&dataset_at) >= later(&written));
    let data = Data {
        source: dataset.map_or(CaseSource::Synth(generated), CaseSource::Dataset),
        eval_split: section.choice("eval_split", EVAL_SPLITS, Split::Validation, "Split that the benchmark evaluates after every epoch. Checkpoints are selected on it: keep `test` for a final \
             `stepwise eval --split test --suite full`."),
        max_samples: section.integer_or("max_samples", None, 1.., "Uses at most this many training cases."),
        abstain_option: abstain_option(&mut section),
    };
    section.finish();
    data
}

/// Reads `abstain_option`, which must be a sound answer by the rules for the options of cases.
fn abstain_option(section: &mut Section<'_>) -> Option<String> {
    let at = section.at("abstain_option");
    let words = section.text(
        "abstain_option",
        None,
        "Abstain option, such as \"cannot tell\", that is added to every choice question without one, in training and in the \
             benchmark. `augment` trains it as the right answer where the evidence is gone; `silent_failure` and `false_refusal` \
             measure its use.",
    )?;
    if let Some(TextFault { what, advice }) = answer_fault(&words) {
        section.report(at.as_ref(), format!("`abstain_option` {what}"), advice);
        return None;
    }
    Some(words)
}

/// Reads `dataset`: one folder or a list of folders. None when it is not written or names no valid folder.
fn folders(section: &mut Section<'_>) -> Option<Vec<PathBuf>> {
    const ACCEPTS: &str = "a folder or case file, or a list of them";
    let accepts = ValueKind::Either(vec![ValueKind::Text, ValueKind::list(ValueKind::Text)]).called(ACCEPTS);
    let node = section.take(
        "dataset",
        accepts,
        None,
        "Folder with `cases.jsonl` and its images, or a case file beside its images, or a list of them.",
    )?;
    let elements = match &node.value {
        Value::List(elements) => elements.as_slice(),
        _ => std::slice::from_ref(&node),
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    for element in elements {
        match &element.value {
            Value::Text(folder) if !folder.trim().is_empty() => {
                let Some(resolved) = section.resolved(Some(&element.at), folder) else { continue };
                if folders.contains(&resolved) {
                    section.report(Some(&element.at), format!("\"{folder}\" is named twice"), "remove one of them");
                } else {
                    folders.push(resolved);
                }
            }
            Value::Text(_) => {
                section.report(Some(&element.at), "`dataset` is empty", "write a value, or leave the key out");
            }
            _ => section.mismatch(element, "dataset", ACCEPTS),
        }
    }
    if elements.is_empty() {
        section.report(Some(&node.at), "`dataset` names no folder", format!("write {ACCEPTS}"));
    }
    (!folders.is_empty()).then_some(folders)
}
