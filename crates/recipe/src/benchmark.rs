//! Reads `[benchmark]`: the evaluation after every epoch.

use std::path::PathBuf;

use serde::{Serialize, Serializer};
use stepwise_config::section::Section;

use stepwise_config::nearest::nearest;

/// Table `[benchmark]` of a recipe: the evaluation after every epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Benchmark {
    /// Conditions that the model is evaluated under.
    pub suite: SuiteChoice,
    /// Largest number of cases to evaluate, at least 1; None evaluates all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cases: Option<u64>,
    /// Number of epochs of the run between two evaluations, at least 1. The end of a phase is always evaluated.
    pub every: u32,
}

/// Choice of the suite, which is a list of conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuiteChoice {
    /// Nothing is evaluated (`"none"`).
    None,
    /// The smaller built-in suite, meant for every epoch (`"fast"`).
    Fast,
    /// The built-in suite with every condition (`"full"`).
    Full,
    /// Path of a suite file, which ends in `.toml`.
    File(PathBuf),
}

impl Serialize for SuiteChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Fast => serializer.serialize_str("fast"),
            Self::Full => serializer.serialize_str("full"),
            Self::File(path) => path.serialize(serializer),
        }
    }
}

/// Reads `[benchmark]`. Wrong values are reported, and the defaults take their place.
pub(super) fn read(mut section: Section<'_>) -> Benchmark {
    let at = section.at("suite");
    let written = section.text(
        "suite",
        Some("\"fast\""),
        "Suite of conditions: \"fast\", \"full\", \"none\", or the path of a suite file (`.toml`).",
    );
    let suite = match written.as_deref() {
        None | Some("fast") => SuiteChoice::Fast,
        Some("full") => SuiteChoice::Full,
        Some("none") => SuiteChoice::None,
        Some(path) if path.ends_with(".toml") => {
            section.resolved(at.as_ref(), path).map_or(SuiteChoice::Fast, SuiteChoice::File)
        }
        Some(word) => {
            let help = match nearest(word, ["fast", "full", "none"].into_iter()) {
                Some(near) => format!("did you mean \"{near}\"? A suite file ends in `.toml`"),
                None => "write \"fast\", \"full\", \"none\", or the path of a suite file, which ends in `.toml`".into(),
            };
            section.report(at.as_ref(), format!("there is no built-in suite \"{word}\""), help);
            SuiteChoice::Fast
        }
    };
    let benchmark = Benchmark {
        suite,
        max_cases: section.integer_or("max_cases", None, 1.., "Evaluates at most this many cases."),
        every: section.integer(
            "every",
            1,
            1..=100_000,
            "Evaluates after every so many epochs, and always at the end of a phase.",
        ) as u32,
    };
    section.finish();
    benchmark
}
