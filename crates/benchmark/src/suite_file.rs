//! Reads a suite and reports all problems of the file at once, each with its line.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use stepwise_config::nearest::nearest;
use stepwise_config::path::resolved;
use stepwise_data::io::bounded;
use stepwise_data::prompt::AnswerForm;
use toml::Spanned;

use crate::metrics;
use crate::perturb::support::templates::Families;
use crate::score::Scoring;
use crate::subset::Subset;
use crate::suite::Suite;
use crate::suite::condition::{Condition, LISTED};

const FAST: &str = include_str!("../../../recipes/suites/fast.toml");
const FULL: &str = include_str!("../../../recipes/suites/full.toml");

/// Why a suite was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The file cannot be read.
    #[error(
        "{}: {source} -> {}",
        path.display(),
        bounded::advice(source, "name `fast`, `full` or the path of a suite file")
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the file system.
        source: std::io::Error,
    },
    /// The content of the file is invalid: every problem that was found.
    #[error("{}", .0.join("\n"))]
    Content(
        /// One message per problem, each with file and line.
        Vec<String>,
    ),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: u32,
    seed: u64,
    max_cases: Option<usize>,
    #[serde(default)]
    subset: Subset,
    #[serde(default)]
    families: Families,
    #[serde(default)]
    scoring: Scoring,
    letter_permutations: Option<usize>,
    #[serde(default)]
    answer_form: AnswerForm,
    #[serde(default = "default_max_new_tokens")]
    max_new_tokens: usize,
    #[serde(default)]
    primary: Vec<String>,
    condition: Vec<Spanned<toml::Table>>,
}

fn default_max_new_tokens() -> usize {
    32
}

impl Suite {
    /// Returns the built-in suite `fast` or `full`; `None` for any other name.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        match name {
            "fast" => Some(Self::fast()),
            "full" => Some(Self::full()),
            _ => None,
        }
    }

    /// Returns the suite that a user names: `fast`, `full`, or the path of a file. The built-in suites win over files
    /// of these names.
    ///
    /// # Errors
    /// [`SuiteError::Read`] when the file cannot be read; [`SuiteError::Content`] with all problems of the file, or
    /// when the path cannot be resolved.
    pub fn named(name: &Path) -> Result<Self, SuiteError> {
        if let Some(suite) = name.to_str().and_then(Self::built_in) {
            return Ok(suite);
        }
        Self::load(&resolved(name).map_err(|error| SuiteError::Content(vec![format!("{}: {error}", name.display())]))?)
    }

    /// Returns the TOML text of the suite that a user names, see [`Suite::named`].
    ///
    /// # Errors
    /// [`SuiteError::Read`] when the file cannot be read; [`SuiteError::Content`] when the path cannot be resolved.
    pub fn text_of(name: &Path) -> Result<String, SuiteError> {
        match name.to_str() {
            Some("fast") => Ok(FAST.to_owned()),
            Some("full") => Ok(FULL.to_owned()),
            _ => {
                let content = |error| SuiteError::Content(vec![format!("{}: {error}", name.display())]);
                let path = resolved(name).map_err(content)?;
                bounded::text(&path).map_err(|source| SuiteError::Read { path, source })
            }
        }
    }

    /// Returns the built-in suite for the evaluation after every epoch.
    ///
    /// # Panics
    /// Never: a test reads the built-in file.
    #[must_use]
    pub fn fast() -> Self {
        Self::parse(FAST, Path::new("fast.toml")).expect("the built-in suite is read by a test")
    }

    /// Returns the built-in suite with every kind of condition, for the final evaluation.
    ///
    /// # Panics
    /// Never: a test reads the built-in file.
    #[must_use]
    pub fn full() -> Self {
        Self::parse(FULL, Path::new("full.toml")).expect("the built-in suite is read by a test")
    }

    /// Reads and validates the suite file at `path`.
    ///
    /// # Errors
    /// [`SuiteError::Read`] when the file cannot be read, is too large for a suite or is not UTF-8;
    /// [`SuiteError::Content`] with all problems of the file.
    pub fn load(path: &Path) -> Result<Self, SuiteError> {
        let text = bounded::text(path).map_err(|source| SuiteError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads and validates a suite from TOML text. `path` is only named in messages; no file is read.
    ///
    /// # Errors
    /// [`SuiteError::Content`] with the first problem where the text is no TOML or has unknown, missing or mistyped
    /// keys. Otherwise with all problems of its conditions, counts and filter, or, where there are none, with all
    /// primary endpoints that are neither a condition nor a metric.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SuiteError> {
        let at = |start: usize, what: &str| {
            let line = text.get(..start).map_or(1, |before| before.matches('\n').count() + 1);
            format!("{}:{line}: {what}", path.display())
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            SuiteError::Content(vec![at(start, &format!("{}{LISTED}", error.message()))])
        })?;

        let mut problems = Vec::new();
        let mut conditions: Vec<Condition> = Vec::new();
        let mut starts = Vec::new();
        for spanned in &file.condition {
            let start = spanned.span().start;
            match Condition::read(spanned.get_ref().clone(), file.families) {
                Ok(read) if conditions.iter().any(|other| other.id == read.id) => {
                    let what = "is defined twice -> give each condition its own id";
                    problems.push(at(start, &format!("condition `{}`: {what}", read.id)));
                }
                Ok(read) => {
                    conditions.push(read);
                    starts.push(start);
                }
                Err(what) => problems.push(at(start, &what)),
            }
        }
        let ids: Vec<&str> = conditions.iter().map(|condition| condition.id.as_str()).collect();
        let unknown = |id: &str| format!("`{id}` is not a condition of this suite -> write one of {}", ids.join(", "));
        for (start, condition) in starts.into_iter().zip(&conditions) {
            if let Some(control) = condition.control.as_deref().filter(|control| !ids.contains(control)) {
                problems.push(at(start, &format!("condition `{}`: control {}", condition.id, unknown(control))));
            }
        }
        let clean: Vec<&Condition> = conditions.iter().filter(|condition| condition.kind == "clean").collect();
        match clean.as_slice() {
            _ if !problems.is_empty() => {}
            [only] if only.id == "clean" => {}
            [only] => {
                let what = "the condition of kind `clean` must have the id `clean` -> write id = \"clean\"";
                problems.push(at(0, &format!("condition `{}`: {what}", only.id)));
            }
            _ => problems
                .push(at(0, "condition: exactly one must be of the kind `clean` -> add it, or remove the others")),
        }
        problems.extend(file.subset.problem().map(|what| at(0, &what)));
        let counts = [
            ("max_cases", file.max_cases),
            ("max_new_tokens", Some(file.max_new_tokens)),
            ("letter_permutations", file.letter_permutations),
        ];
        for (key, value) in counts {
            if value == Some(0) {
                problems.push(at(0, &format!("{key}: is 0 -> write at least 1")));
            }
        }
        if file.letter_permutations.is_some() && file.scoring != Scoring::Letter {
            problems.push(at(0, "letter_permutations: needs letter scoring -> write `scoring = \"letter\"`"));
        }
        if !problems.is_empty() {
            return Err(SuiteError::Content(problems));
        }
        let suite = Self {
            name: file.name,
            version: file.version,
            seed: file.seed,
            max_cases: file.max_cases,
            subset: file.subset,
            scoring: file.scoring,
            letter_permutations: file.letter_permutations,
            answer_form: file.answer_form,
            max_new_tokens: file.max_new_tokens,
            primary: file.primary,
            conditions,
        };
        // Endpoints are checked last, because the conditions determine which metrics exist.
        let problems: Vec<String> = suite.unknown_endpoints().iter().map(|what| at(0, what)).collect();
        if problems.is_empty() { Ok(suite) } else { Err(SuiteError::Content(problems)) }
    }

    /// Messages for ids in `primary` that are neither a condition nor a metric.
    fn unknown_endpoints(&self) -> Vec<String> {
        let is_condition = |id: &&String| self.condition(id).is_some();
        let others: Vec<&String> = self.primary.iter().filter(|id| !is_condition(id)).collect();
        if others.is_empty() {
            return Vec::new();
        }
        let metrics = metrics::endpoints(self);
        let known =
            || self.conditions.iter().map(|condition| condition.id.as_str()).chain(metrics.iter().map(|id| &**id));
        let problem = |id: &String| {
            let advice = nearest(id, known()).map_or_else(
                || "write ids of conditions, or ids of metrics from `stepwise schema --suite`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            format!("primary: `{id}` is neither a condition nor a metric of this suite -> {advice}")
        };
        others.into_iter().filter(|id| !metrics::is_endpoint(self, id)).map(problem).collect()
    }
}

#[cfg(test)]
mod tests;
