//! A suite: which conditions are asked, of which items, with which seed. A TOML file, so that a study can be repeated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwise_curriculum::prompt::{AnswerForm, PROMPT_VERSION};
use toml::Spanned;

use crate::perturb::{self, Draws, Perturbation, Purpose};
use crate::score::{Scoring, parse::PARSER_VERSION};

const FAST: &str = include_str!("../../../recipes/suites/fast.toml");
const FULL: &str = include_str!("../../../recipes/suites/full.toml");

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
    /// How choices and yes/no questions are decided.
    pub scoring: Scoring,
    /// With [`Scoring::Letter`]: in how many orders of its options a choice is asked; in all rotations when absent.
    pub letter_permutations: Option<usize>,
    /// Whether a choice is answered with its words or its letter; [`Suite::form`] is what is asked for.
    pub answer_form: AnswerForm,
    /// Tokens after which generation stops.
    pub max_new_tokens: usize,
    /// Conditions named before the run as those a claim rests on.
    pub primary: Vec<String>,
    /// What is asked. One of them, and only one, is of the kind `clean`.
    pub conditions: Vec<Condition>,
}

/// One condition of a suite.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Names it in outcomes, metrics and reports.
    pub id: String,
    /// Its entry in the registry.
    pub kind: &'static str,
    /// What it is for.
    pub purpose: Purpose,
    /// The condition its effect is measured against.
    pub control: Option<String>,
    /// Asked of at most this many items, stratified by stage and fixed by the seed.
    pub max_items: Option<usize>,
    /// Its own parameters as the suite writes them; those left at their defaults are absent.
    pub parameters: toml::Table,
    /// What it does.
    pub perturbation: Arc<dyn Perturbation>,
}

impl Condition {
    /// A parameter that is a number, such as `eps` or `level`.
    #[must_use]
    pub fn number(&self, parameter: &str) -> Option<f64> {
        match self.parameters.get(parameter)? {
            toml::Value::Integer(value) => Some(*value as f64),
            toml::Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// A parameter that is true or false; false where it is left out.
    #[must_use]
    pub fn flag(&self, parameter: &str) -> bool {
        self.parameters.get(parameter).and_then(toml::Value::as_bool).unwrap_or_default()
    }

    /// Whether every parameter has its default, written or left out. No condition of a kind that must be given a
    /// parameter has.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let plain = perturb::kind(self.kind).and_then(|kind| (kind.build)(toml::Table::new()).ok());
        // The derived description names every parameter.
        plain.is_some_and(|plain| format!("{plain:?}") == format!("{:?}", self.perturbation))
    }
}

/// Why a suite was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The file cannot be read.
    #[error("{}: {source} -> check the path of the suite", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The file says something it must not.
    #[error("{}", .0.join("\n"))]
    Content(
        /// One message a problem, each with file and line.
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

/// The keys every condition has; the others are its perturbation's.
#[derive(Deserialize)]
struct Common {
    id: String,
    kind: String,
    control: Option<String>,
    max_items: Option<usize>,
}

impl Suite {
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

    /// Reads a suite; `path` is for messages.
    ///
    /// # Errors
    /// With all problems of the text.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SuiteError> {
        let at = |start: usize, what: &str| {
            let line = text.get(..start).map_or(1, |before| before.matches('\n').count() + 1);
            format!("{}:{line}: {what}", path.display())
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            SuiteError::Content(vec![at(start, &format!("{} -> see recipes/suites/fast.toml", error.message()))])
        })?;

        let mut problems = Vec::new();
        let mut conditions: Vec<Condition> = Vec::new();
        let mut starts = Vec::new();
        for spanned in &file.condition {
            let start = spanned.span().start;
            match condition(spanned.get_ref().clone()) {
                Ok(read) if conditions.iter().any(|other| other.id == read.id) => {
                    let what = "is named twice -> give each condition its own id";
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
        let unknown = |id: &str| format!("`{id}` is not a condition -> name one of {}", ids.join(", "));
        for (start, condition) in starts.into_iter().zip(&conditions) {
            if let Some(control) = condition.control.as_deref().filter(|control| !ids.contains(control)) {
                problems.push(at(start, &format!("condition `{}`: control {}", condition.id, unknown(control))));
            }
        }
        for id in file.primary.iter().filter(|id| !ids.contains(&id.as_str())) {
            problems.push(at(0, &format!("primary: {}", unknown(id))));
        }
        if problems.is_empty() && conditions.iter().filter(|condition| condition.kind == "clean").count() != 1 {
            problems
                .push(at(0, "condition: exactly one must be of the kind `clean` -> every metric is paired with it"));
        }
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
            problems.push(at(0, "letter_permutations: only letters are averaged -> write `scoring = \"letter\"`"));
        }
        if !problems.is_empty() {
            return Err(SuiteError::Content(problems));
        }
        Ok(Self {
            name: file.name,
            version: file.version,
            seed: file.seed,
            max_cases: file.max_cases,
            scoring: file.scoring,
            letter_permutations: file.letter_permutations,
            answer_form: file.answer_form,
            max_new_tokens: file.max_new_tokens,
            primary: file.primary,
            conditions,
        })
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
        self.conditions.iter().any(|condition| condition.kind == perturb::pgd::TRANSFER.name)
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
        add(&format!(
            "{} {} {:?} {:?} {:?} {:?} {}",
            self.version,
            self.seed,
            self.max_cases,
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
                "{} {:?} {:?} {:?}",
                condition.kind, condition.control, condition.max_items, condition.perturbation
            ));
        }
        format!("{:x}", hash.finalize())
    }
}

fn condition(mut table: toml::Table) -> Result<Condition, String> {
    let mut common = toml::Table::new();
    for key in ["id", "kind", "control", "max_items"] {
        common.extend(table.remove(key).map(|value| (key.to_owned(), value)));
    }
    let common: Common = common
        .try_into()
        .map_err(|error: toml::de::Error| format!("condition: {} -> see recipes/suites/fast.toml", error.message()))?;
    let names = || perturb::KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let kind = perturb::kind(&common.kind).ok_or_else(|| {
        format!("condition `{}`: there is no kind `{}` -> name one of {}", common.id, common.kind, names())
    })?;
    if common.id.is_empty() || !common.id.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
        return Err(format!(
            "condition `{}`: an id is made of letters, digits, `_`, `-` and `.` -> rename it",
            common.id
        ));
    }
    if common.max_items == Some(0) {
        return Err(format!("condition `{}`: max_items is 0 -> write at least 1 or leave it out", common.id));
    }
    let perturbation = (kind.build)(table.clone()).map_err(|error| {
        format!("condition `{}` of kind `{}`: {} -> correct it", common.id, kind.name, error.message())
    })?;
    Ok(Condition {
        id: common.id,
        kind: kind.name,
        purpose: kind.purpose,
        control: common.control,
        max_items: common.max_items,
        parameters: table,
        perturbation,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        Suite::parse(text, Path::new("s.toml")).expect_err("invalid").to_string()
    }

    const HEAD: &str = "name = \"s\"\nversion = 1\nseed = 1\n";
    const CLEAN: &str = "[[condition]]\nid = \"clean\"\nkind = \"clean\"\n";

    #[test]
    fn the_full_suite_holds_every_kind_and_both_hold_every_control() {
        assert_eq!(Suite::fast().clean().id, "clean");
        let suite = Suite::full();
        for kind in perturb::KINDS {
            assert!(suite.conditions.iter().any(|condition| condition.kind == kind.name), "{}", kind.name);
        }
        assert_eq!(suite.clean().id, "clean");
    }

    #[test]
    fn a_misspelt_key_says_where_and_what() {
        let text = format!("{HEAD}{CLEAN}\n[[condition]]\nid = \"n\"\nkind = \"gaussian_noise\"\nlevle = 3\n");
        let message = problems(&text);
        assert!(
            message.starts_with("s.toml:8: condition `n` of kind `gaussian_noise`: unknown field `levle`"),
            "{message}"
        );
        assert!(problems("nme = 1").starts_with("s.toml:1: unknown field `nme`"), "{}", problems("nme = 1"));
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let text = format!(
            "{HEAD}primary = [\"clean\"]\n{CLEAN}{CLEAN}[[condition]]\nid = \"x\"\nkind = \"sepia\"\n\
             [[condition]]\nid = \"n\"\nkind = \"gaussian_noise\"\nlevel = 6\n[[condition]]\nid = \"h\"\nkind = \"hint_plus\"\ncontrol = \"zero\"\n"
        );
        let message = problems(&text);
        for part in [
            "`clean`: is named twice",
            "no kind `sepia`",
            "level is 6 -> write 1 to 5",
            "control `zero` is not a condition",
        ] {
            assert!(message.contains(part), "{part} is missing in {message}");
        }
        assert!(problems(HEAD).contains("missing field `condition`"), "{}", problems(HEAD));
        assert!(problems(&format!("{HEAD}{}", CLEAN.replace("\"clean\"\n", "\"blank\"\n"))).contains("exactly one"));
    }

    #[test]
    fn a_condition_tells_its_parameters_and_whether_they_are_the_usual_ones() {
        let of = |rest: &str| {
            let text = format!("{HEAD}{CLEAN}[[condition]]\nid = \"x\"\n{rest}");
            Suite::parse(&text, Path::new("s")).expect("valid").conditions.remove(1)
        };
        let hint = |rest: &str| of(&format!("kind = \"hint_minus\"\n{rest}"));
        assert!(hint("").is_plain() && hint("persona = \"neutral\"").is_plain());
        assert!(!hint("persona = \"patient\"").is_plain());
        let pgd = of("kind = \"pgd\"\neps = 1.5\nsteps = 3\ntargeted = true");
        assert_eq!((pgd.number("eps"), pgd.number("steps"), pgd.number("restarts")), (Some(1.5), Some(3.0), None));
        assert!(pgd.flag("targeted") && !pgd.flag("eps") && !pgd.is_plain());
    }

    #[test]
    fn the_digest_follows_what_is_asked_and_not_how_it_is_written() {
        let of = |text: &str| Suite::parse(&format!("{HEAD}{CLEAN}{text}"), Path::new("s")).expect("valid").digest();
        let noise = |rest: &str| of(&format!("[[condition]]\nid = \"b\"\nkind = \"blank\"\n{rest}"));
        assert_eq!(noise(""), noise("# a comment\nvalue = 128\n"));
        assert_ne!(noise(""), noise("value = 127\n"));
        assert_ne!(noise(""), noise("max_items = 5\n"));
    }
}
