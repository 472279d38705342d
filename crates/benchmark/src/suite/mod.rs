//! Suite: the conditions of a benchmark, the items they are asked of, and the seed. A suite is a TOML file.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwise_data::prompt::{AnswerForm, PROMPT_VERSION};

pub use self::condition::Condition;

use crate::perturb::kinds::kind;
use crate::perturb::{self, PERTURBATIONS_VERSION};
use crate::rng::SuiteRng;
use crate::score::{SCORING_VERSION, Scoring, parse::PARSER_VERSION};
use crate::subset::Subset;

pub(crate) mod condition;

/// A validated suite: the conditions of a benchmark, the items they are asked of, and the seed.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Readable name; no part of the digest.
    pub name: String,
    /// Version of the suite; part of the key of every random draw.
    pub version: u32,
    /// Seed of every random draw.
    pub seed: u64,
    /// Maximum number of cases; the choice is stratified by modality, stage and category, and fixed by the seed. `None`
    /// asks all cases.
    pub max_cases: Option<usize>,
    /// Filter of the items of every condition.
    pub subset: Subset,
    /// Method by which choices and yes/no questions are scored.
    pub scoring: Scoring,
    /// With [`Scoring::Letter`]: number of orders of the options in which a choice is asked; `None` asks all rotations.
    pub letter_permutations: Option<usize>,
    /// Whether a choice is answered with its words or its letter, as written in the file; [`Suite::form`] is the
    /// form in use.
    pub answer_form: AnswerForm,
    /// Maximum number of tokens of a generated answer.
    pub max_new_tokens: usize,
    /// Primary endpoints, named before the run: ids of conditions (their accuracy) and ids of metrics; empty where none
    /// is named.
    pub primary: Vec<String>,
    /// Conditions in the order of the file. Exactly one is of the kind `clean`.
    pub conditions: Vec<Condition>,
}

impl Suite {
    /// Returns how choices are answered: by letter with [`Scoring::Letter`], else as the file says.
    #[must_use]
    pub fn form(&self) -> AnswerForm {
        if self.scoring == Scoring::Letter { AnswerForm::Letter } else { self.answer_form }
    }

    /// Returns a copy of the suite without `max_cases` and without the `max_items` of its conditions. Its digest
    /// differs.
    #[must_use]
    pub fn uncapped(&self) -> Self {
        let mut suite = Self { max_cases: None, ..self.clone() };
        suite.conditions.iter_mut().for_each(|condition| condition.max_items = None);
        suite
    }

    /// Returns whether a condition attacks with the gradients of a surrogate model, so that a run needs
    /// [`Options::surrogate`](crate::runner::Options::surrogate).
    #[must_use]
    pub fn needs_surrogate(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind == perturb::adversarial::pgd::TRANSFER.name)
    }

    /// Returns the source of the suite's random draws.
    #[must_use]
    pub fn rng(&self) -> SuiteRng {
        SuiteRng { seed: self.seed, version: self.version }
    }

    /// Returns the condition of the kind `clean`.
    ///
    /// # Panics
    /// When there is none, which [`Suite::parse`] refuses.
    #[must_use]
    pub fn clean(&self) -> &Condition {
        self.conditions
            .iter()
            .find(|condition| condition.kind == "clean")
            .expect("a checked suite has a clean condition")
    }

    /// Returns the condition with this id; None where the suite has none.
    #[must_use]
    pub fn condition(&self, id: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.id == id)
    }

    /// Returns whether `id` is a primary endpoint and a metric. An id that is also a condition's id means the
    /// condition, so the result is then false.
    #[must_use]
    pub fn is_primary_metric(&self, id: &str) -> bool {
        self.primary.iter().any(|primary| primary == id) && self.condition(id).is_none()
    }

    /// Returns whether a primary endpoint is the condition with the id `condition`, or a metric whose id ends in this
    /// id, so that the study makes a claim about the condition.
    #[must_use]
    pub fn claims(&self, condition: &str) -> bool {
        let bears = |id: &String| id.rsplit(':').next() == Some(condition);
        self.primary.iter().any(bears)
    }

    /// Computes the SHA-256, in hexadecimal, of everything that determines the questions and their scoring, with the
    /// primary endpoints. Results with different digests must not be compared. The name is left out.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        };
        add(PROMPT_VERSION);
        add(PARSER_VERSION);
        add(SCORING_VERSION);
        add(PERTURBATIONS_VERSION);
        // Primary endpoints are adjusted together, so they belong to the digest; their order does not matter.
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
        let kinds = self.conditions.iter().filter_map(|condition| kind(condition.kind));
        let templates = kinds.map(|kind| without_comments(kind.templates));
        templates.collect::<BTreeSet<_>>().iter().for_each(|templates| add(templates));
        for condition in &self.conditions {
            // The derived `Debug` text holds every parameter, including defaults.
            add(&condition.id);
            add(&format!(
                "{} {:?} {:?} {:?} {:?}",
                condition.kind, condition.control, condition.max_items, condition.subset, condition.perturbation
            ));
        }
        format!("{:x}", hash.finalize())
    }
}

/// Content of a TOML file, so that a comment in a template file does not change the digest of a suite.
fn without_comments(toml: &str) -> String {
    toml.parse::<toml::Table>().map_or_else(|_| toml.to_owned(), |table| table.to_string())
}

/// Identity of a suite, as stored with results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteName {
    /// Name of the suite.
    pub name: String,
    /// Version of the suite.
    pub version: u32,
    /// Digest of the suite, see [`Suite::digest`].
    pub digest: String,
}

impl From<&Suite> for SuiteName {
    fn from(suite: &Suite) -> Self {
        Self { name: suite.name.clone(), version: suite.version, digest: suite.digest() }
    }
}
