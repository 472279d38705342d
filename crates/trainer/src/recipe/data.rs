//! `[data]`: which cases are learned from and tested on.

use std::path::PathBuf;

use serde::Serialize;
use stepwise_curriculum::case::Split;

use super::problem::Location;
use super::section::{Choice, Section};

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
}

/// Where cases come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseSource {
    /// A folder with `cases.jsonl` and its images.
    Dataset(PathBuf),
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

impl std::fmt::Display for CaseSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dataset(path) => write!(f, "{}", path.display()),
            Self::Synth(Synth { cases, seed, .. }) => write!(f, "{cases} synthetic cases, seed {seed}"),
        }
    }
}

impl Choice for Split {
    const WORDS: &'static [(&'static str, Self)] = &[("validation", Self::Validation), ("test", Self::Test)];
}

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
    let dataset = section.path("dataset", None, "Folder with `cases.jsonl` and its images.");
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
        eval_split: section.choice("eval_split", Split::Validation, "The side of the split the benchmark asks."),
        max_samples: section.integer_or("max_samples", None, 1.., "Uses at most this many training cases."),
    };
    section.finish();
    data
}
