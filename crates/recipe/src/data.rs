//! `[data]`: which cases are learned from and tested on.

use std::path::PathBuf;

use serde::{Serialize, Serializer};
use stepwise_config::document::Value;
use stepwise_config::kind::ValueKind;
use stepwise_config::problem::Location;
use stepwise_config::section::{Section, Words};
use stepwise_data::case::Split;

/// `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Data {
    /// Where the cases come from.
    #[serde(flatten)]
    pub source: CaseSource,
    /// The side of the split the benchmark asks after every epoch.
    pub eval_split: Split,
    /// Uses at most this many training cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_samples: Option<u64>,
    /// The option to decline that choices without one offer as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// Where cases come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseSource {
    /// Folders with `cases.jsonl` and its images.
    #[serde(serialize_with = "one_or_several")]
    Dataset(Vec<PathBuf>),
    /// Cases generated on the spot.
    Synth(Synth),
}

/// `[data] synth = { cases, seed, image_size }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Synth {
    /// How many, over all sides of the split.
    pub cases: u64,
    /// Equal seeds give equal bytes.
    pub seed: u64,
    /// Side of the square images, in pixels.
    pub image_size: u32,
}

/// As a recipe has it: one folder stands without brackets.
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

pub(super) fn read(mut section: Section<'_>, run_seed: u64) -> Data {
    let written = section.at("synth");
    let mut synth = section.section("synth").about("Cases generated on the spot.");
    let generated = Synth {
        cases: synth.integer("cases", 400, 1..=10_000_000, "How many cases to generate, over all sides of the split."),
        seed: synth
            .integer_or("seed", Some("the recipe's `seed`"), 0..=super::INTEGER_MAX, "Equal seeds give equal cases.")
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
            "no cases to learn from",
            "give `[data] dataset = \"FOLDER\"`, or generate cases with `[data] synth = { cases = 400 }`",
        );
    }
    // Of two sources of cases the later one counts: a `--set` argument over the file.
    let later = |at: &Option<Location>| at.as_ref().map(|at| at.source);
    let dataset = dataset.filter(|_| later(&dataset_at) >= later(&written));
    let data = Data {
        source: dataset.map_or(CaseSource::Synth(generated), CaseSource::Dataset),
        eval_split: section.choice("eval_split", EVAL_SPLITS, Split::Validation, "The side of the split the benchmark asks after every epoch. Checkpoints are chosen by it: leave `test` to a last `stepwise eval --split test --suite full`."),
        max_samples: section.integer_or("max_samples", None, 1.., "Uses at most this many training cases."),
        refusal: section.text(
            "refusal",
            None,
            "An option such as \"cannot tell\" that every choice without an option to decline offers as well, in lessons and in the \
             benchmark: what `augment` teaches where the evidence is gone, and `silent_failure` and `false_refusal` measure.",
        ),
    };
    section.finish();
    data
}

/// `dataset`: a folder, or several.
fn folders(section: &mut Section<'_>) -> Option<Vec<PathBuf>> {
    const ACCEPTS: &str = "a folder, or a list of folders";
    let accepts = ValueKind::Either(vec![ValueKind::Text, ValueKind::list(ValueKind::Text)]).called(ACCEPTS);
    let node = section.take("dataset", accepts, None, "Folder with `cases.jsonl` and its images, or several.")?;
    let elements = match &node.value {
        Value::List(elements) => elements.as_slice(),
        _ => std::slice::from_ref(&node),
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    for element in elements {
        match &element.value {
            Value::Text(folder) if folders.iter().any(|other| other.as_os_str() == folder.as_str()) => {
                section.report(Some(&element.at), format!("\"{folder}\" is named twice"), "remove one of them");
            }
            Value::Text(folder) if !folder.trim().is_empty() => folders.push(folder.into()),
            Value::Text(_) => {
                section.report(Some(&element.at), "`dataset` is empty", "write something, or leave the key out");
            }
            _ => section.mismatch(element, "dataset", ACCEPTS),
        }
    }
    if elements.is_empty() {
        section.report(Some(&node.at), "`dataset` names no folder", format!("write {ACCEPTS}"));
    }
    (!folders.is_empty()).then_some(folders)
}
