//! A suite: which conditions are asked, of which items, with which seed. A TOML file, so that a study can be repeated.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwise_data::prompt::{AnswerForm, PROMPT_VERSION};

pub use self::condition::Condition;
pub use super::suite_file::SuiteError;

use crate::perturb::{self, Draws};
use crate::score::{Scoring, parse::PARSER_VERSION};
use crate::subset::Subset;

pub(crate) mod condition;
#[cfg(test)]
mod tests;

const FAST: &str = include_str!("../../../../recipes/suites/fast.toml");
const FULL: &str = include_str!("../../../../recipes/suites/full.toml");

/// A checked suite.
#[derive(Clone, Debug)]
pub struct Suite {
    /// For people.
    pub name: String,
    /// Part of the key of every draw.
    pub version: u32,
    /// Of every draw.
    pub seed: u64,
    /// At most this many cases are asked about, stratified and fixed by the seed.
    pub max_cases: Option<usize>,
    /// What every condition is asked of at most.
    pub subset: Subset,
    /// How choices and yes/no questions are decided.
    pub scoring: Scoring,
    /// With [`Scoring::Letter`]: in how many orders of its options a choice is asked; in all rotations when absent.
    pub letter_permutations: Option<usize>,
    /// Whether a choice is answered with its words or its letter; [`Suite::form`] is what is asked for.
    pub answer_form: AnswerForm,
    /// Tokens after which generation stops.
    pub max_new_tokens: usize,
    /// Endpoints named before the run as those a claim rests on: ids of conditions, whose accuracy is meant, and of metrics.
    pub primary: Vec<String>,
    /// What is asked. One of them, and only one, is of the kind `clean`.
    pub conditions: Vec<Condition>,
}

impl Suite {
    /// The built-in suite of this name.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        match name {
            "fast" => Some(Self::fast()),
            "full" => Some(Self::full()),
            _ => None,
        }
    }

    /// A suite as people name it: `fast`, `full`, or the path of a file.
    ///
    /// # Errors
    /// As [`Suite::load`].
    pub fn named(name: &Path) -> Result<Self, SuiteError> {
        name.to_str().and_then(Self::built_in).map_or_else(|| Self::load(name), Ok)
    }

    /// The built-in suite for every epoch.
    ///
    /// # Panics
    /// Never: a test reads the built-in file.
    #[must_use]
    pub fn fast() -> Self {
        Self::parse(FAST, Path::new("fast.toml")).expect("the built-in suite is read by a test")
    }

    /// The built-in suite with every condition, for a study's last word.
    ///
    /// # Panics
    /// Never: a test reads the built-in file.
    #[must_use]
    pub fn full() -> Self {
        Self::parse(FULL, Path::new("full.toml")).expect("the built-in suite is read by a test")
    }

    /// Reads a suite file.
    ///
    /// # Errors
    /// With all problems of the file.
    pub fn load(path: &Path) -> Result<Self, SuiteError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SuiteError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// How choices are answered: with letters where those are scored.
    #[must_use]
    pub fn form(&self) -> AnswerForm {
        if self.scoring == Scoring::Letter { AnswerForm::Letter } else { self.answer_form }
    }

    /// The same questions without caps on cases and items.
    #[must_use]
    pub fn uncapped(&self) -> Self {
        let mut suite = Self { max_cases: None, ..self.clone() };
        suite.conditions.iter_mut().for_each(|condition| condition.max_items = None);
        suite
    }

    /// Whether some attack is made on another respondent than the one asked.
    #[must_use]
    pub fn needs_surrogate(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind == perturb::adversarial::pgd::TRANSFER.name)
    }

    /// Where the suite's random numbers come from.
    #[must_use]
    pub fn draws(&self) -> Draws {
        Draws { seed: self.seed, version: self.version }
    }

    /// The condition of the kind `clean`.
    ///
    /// # Panics
    /// When there is none, which [`Suite::parse`] rules out.
    #[must_use]
    pub fn clean(&self) -> &Condition {
        self.conditions
            .iter()
            .find(|condition| condition.kind == "clean")
            .expect("a checked suite has a clean condition")
    }

    /// A condition by id.
    #[must_use]
    pub fn condition(&self, id: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.id == id)
    }

    /// Whether `id` is a primary endpoint that is a metric. A condition of the same name comes first.
    #[must_use]
    pub fn is_primary_metric(&self, id: &str) -> bool {
        self.primary.iter().any(|primary| primary == id) && self.condition(id).is_none()
    }

    /// Whether a primary endpoint is this condition's accuracy, or a metric that bears its name.
    #[must_use]
    pub fn claims(&self, condition: &str) -> bool {
        let bears = |id: &String| id.rsplit(':').next() == Some(condition);
        self.primary.iter().any(bears)
    }

    /// SHA-256 in hexadecimal over all that decides what is asked and how it is judged. Results with different digests
    /// must not be compared.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        };
        add(PROMPT_VERSION);
        add(PARSER_VERSION);
        // They decide which tests are adjusted together, in whatever order they were named.
        self.primary.iter().collect::<BTreeSet<_>>().into_iter().for_each(|id| add(id));
        add(&format!(
            "{} {} {:?} {:?} {:?} {:?} {:?} {}",
            self.version,
            self.seed,
            self.max_cases,
            self.subset,
            self.scoring,
            self.letter_permutations,
            self.form(),
            self.max_new_tokens
        ));
        let kinds = self.conditions.iter().filter_map(|condition| perturb::kind(condition.kind));
        kinds.map(|kind| kind.templates).collect::<BTreeSet<_>>().into_iter().for_each(&mut add);
        for condition in &self.conditions {
            // The derived description names every parameter, those left at their defaults too.
            add(&condition.id);
            add(&format!(
                "{} {:?} {:?} {:?} {:?}",
                condition.kind, condition.control, condition.max_items, condition.subset, condition.perturbation
            ));
        }
        format!("{:x}", hash.finalize())
    }
}

/// How a suite is named in results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteName {
    /// Of the suite.
    pub name: String,
    /// Of the suite.
    pub version: u32,
    /// [`Suite::digest`].
    pub digest: String,
}

impl From<&Suite> for SuiteName {
    fn from(suite: &Suite) -> Self {
        Self { name: suite.name.clone(), version: suite.version, digest: suite.digest() }
    }
}
