//! A suite: which conditions are asked, of which items, with which seed. A TOML file, so that a study can be repeated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwise_curriculum::nearest::nearest;
use stepwise_curriculum::prompt::{AnswerForm, PROMPT_VERSION};
use toml::Spanned;

use crate::metrics;
use crate::perturb::templates::{FAMILIES, Families};
use crate::perturb::{self, Draws, Perturbation, Purpose};
use crate::score::{Scoring, parse::PARSER_VERSION};
use crate::subset::Subset;

const FAST: &str = include_str!("../../../recipes/suites/fast.toml");
const FULL: &str = include_str!("../../../recipes/suites/full.toml");

/// Where the keys of suites and kinds are to be found, from an installed program too.
const LISTED: &str = " -> `stepwise schema --suite` lists what it takes";

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
    /// Asked of nothing else.
    pub subset: Subset,
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

    /// Whether every parameter has its default, written or left out, in whichever sentences it is asked. No condition of a
    /// kind that must be given a parameter has.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let build = perturb::kind(self.kind).map(|kind| kind.build);
        let mut own = self.parameters.clone();
        own.remove(FAMILIES);
        // The derived description names every parameter.
        let built = |parameters| build.and_then(|build| Some(format!("{:?}", build(parameters).ok()?)));
        built(toml::Table::new()).is_some_and(|plain| Some(plain) == built(own))
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

/// Their names.
pub(crate) const COMMON: [&str; 5] = ["id", "kind", "control", "max_items", "subset"];

/// The keys every condition has; the others are its perturbation's.
#[derive(Deserialize)]
struct Common {
    id: String,
    kind: String,
    control: Option<String>,
    max_items: Option<usize>,
    #[serde(default)]
    subset: Subset,
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
            SuiteError::Content(vec![at(start, &format!("{}{LISTED}", error.message()))])
        })?;

        let mut problems = Vec::new();
        let mut conditions: Vec<Condition> = Vec::new();
        let mut starts = Vec::new();
        for spanned in &file.condition {
            let start = spanned.span().start;
            match condition(spanned.get_ref().clone(), file.families) {
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
        let clean: Vec<&Condition> = conditions.iter().filter(|condition| condition.kind == "clean").collect();
        match clean.as_slice() {
            _ if !problems.is_empty() => {}
            [only] if only.id == "clean" => {}
            [only] => {
                let what = "metrics find the kind `clean` by its name -> write id = \"clean\"";
                problems.push(at(0, &format!("condition `{}`: {what}", only.id)));
            }
            _ => problems
                .push(at(0, "condition: exactly one must be of the kind `clean` -> every metric is paired with it")),
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
            problems.push(at(0, "letter_permutations: only letters are averaged -> write `scoring = \"letter\"`"));
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
        // Which metrics there are depends on the conditions, so this comes last.
        let problems: Vec<String> = suite.unknown_endpoints().iter().map(|what| at(0, what)).collect();
        if problems.is_empty() { Ok(suite) } else { Err(SuiteError::Content(problems)) }
    }

    /// What is wrong with `primary`.
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
                || "name conditions by id, or metrics as `stepwise schema --suite` lists them".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            format!("primary: `{id}` is neither a condition nor a metric of this suite -> {advice}")
        };
        others.into_iter().filter(|id| !metrics.contains(id)).map(problem).collect()
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

/// Reads a condition; its words are drawn from `families` where it does not say from which.
fn condition(mut table: toml::Table, families: Families) -> Result<Condition, String> {
    let mut common = toml::Table::new();
    for key in COMMON {
        common.extend(table.remove(key).map(|value| (key.to_owned(), value)));
    }
    let common: Common =
        common.try_into().map_err(|error: toml::de::Error| format!("condition: {}{LISTED}", error.message()))?;
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
    if let Some(what) = common.subset.problem() {
        return Err(format!("condition `{}`: {what}", common.id));
    }
    let mut given = table.clone();
    if !kind.templates.is_empty() {
        given.entry(FAMILIES).or_insert_with(|| families.name().into());
    }
    let perturbation = (kind.build)(given).map_err(|error| {
        // Problems with a value bring their own advice.
        let advice = if error.message().contains(" -> ") { "" } else { LISTED };
        format!("condition `{}` of kind `{}`: {}{advice}", common.id, kind.name, error.message())
    })?;
    Ok(Condition {
        id: common.id,
        kind: kind.name,
        purpose: kind.purpose,
        control: common.control,
        max_items: common.max_items,
        subset: common.subset,
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
    fn the_full_suite_holds_every_kind() {
        let suite = Suite::full();
        for kind in perturb::KINDS {
            assert!(suite.conditions.iter().any(|condition| condition.kind == kind.name), "{}", kind.name);
        }
    }

    #[test]
    fn every_condition_has_the_control_of_its_kind() {
        let twins = [
            ("hint_plus", "hint_zero"),
            ("hint_minus", "hint_zero"),
            ("swap_near", "swap_same"),
            ("region_mask", "random_mask"),
            ("region_only", "random_only"),
            ("region_decay", "random_decay"),
            ("cue_true", "cue_neutral"),
            ("cue_wrong", "cue_true"),
            ("cue_text_wrong", "cue_text_true"),
            ("cue_text_true", "cue_true"),
            ("written_wrong", "written_unrelated"),
            ("rebuttal_doubt", "rebuttal_repeat"),
            ("rebuttal_wrong", "rebuttal_repeat"),
            ("rebuttal_right", "rebuttal_repeat"),
            ("premise_false", "premise_true"),
            ("negation", "affirmation"),
            ("nota_right", "nota_wrong"),
            ("hedge_low", "hedge_neutral"),
            ("hedge_high", "hedge_neutral"),
            ("parents_wrong", "parents_gold"),
            ("report_injected", "report_plain"),
            ("fgsm", "random_sign"),
            ("pgd", "random_sign"),
            ("transfer", "random_sign"),
        ];
        for suite in [Suite::fast(), Suite::full()] {
            let kind = |id: &str| suite.condition(id).map(|condition| condition.kind);
            // What is shown of a model's own answers is held against more than one thing.
            let of_one = |condition: &&Condition| !["clean", "parents_predicted"].contains(&condition.kind);
            for condition in suite.conditions.iter().filter(of_one) {
                let control = condition.control.as_deref().and_then(kind);
                let twin = twins.iter().find(|(kind, _)| *kind == condition.kind).map_or("clean", |(_, twin)| twin);
                assert_eq!(control, Some(twin), "{}: {}", suite.name, condition.id);
                // The same place, shape, size: all but the aim is the same.
                let of = condition.control.as_deref().and_then(|id| suite.condition(id));
                for key in ["persona", "place", "shape", "colour", "width", "eps", "level", "contrast", "share"] {
                    let own = condition.parameters.get(key);
                    assert!(
                        twin == "clean" || own == of.and_then(|of| of.parameters.get(key)),
                        "{}: {key}",
                        condition.id
                    );
                }
            }
        }
    }

    #[test]
    fn epochs_are_asked_in_other_sentences_than_the_last_word() {
        let families = |suite: &Suite| -> BTreeSet<String> {
            let described = suite.conditions.iter().map(|condition| format!("{:?}", condition.perturbation));
            let said = described.filter_map(|text| Some(text.split_once("families: ")?.1.to_owned()));
            said.map(|text| text.chars().take_while(char::is_ascii_alphabetic).collect()).collect()
        };
        assert_eq!(families(&Suite::fast()), BTreeSet::from(["Validation".to_owned()]));
        assert_eq!(families(&Suite::full()), BTreeSet::from(["HeldOut".to_owned()]));
        // A suite's word is for conditions that say nothing themselves.
        let hint = "[[condition]]\nid = \"h\"\nkind = \"hint_zero\"\n";
        let of = |own: &str| {
            let text = format!("{HEAD}families = \"validation\"\n{CLEAN}{hint}{own}");
            Suite::parse(&text, Path::new("s")).expect("valid")
        };
        assert_eq!(families(&of("families = \"training\"")), BTreeSet::from(["Training".to_owned()]));
        assert!(of("").conditions[1].is_plain() && of("families = \"held_out\"").conditions[1].is_plain());
        assert_ne!(of("").digest(), of("families = \"held_out\"").digest());
    }

    #[test]
    fn a_suite_is_found_by_name_or_path() {
        let named = |name: &str| Suite::named(Path::new(name));
        assert_eq!(named("full").expect("built in").name, "full");
        assert_eq!(named("fast").expect("built in").name, "fast");
        assert!(named("./full").expect_err("a path").to_string().starts_with("./full: "));
    }

    #[test]
    fn a_subset_that_asks_nothing_is_refused() {
        let text =
            |subset: &str| format!("{HEAD}{CLEAN}[[condition]]\nid = \"b\"\nkind = \"blank\"\nsubset = {subset}\n");
        let message = problems(&text("{ stages = [1, 5] }"));
        assert_eq!(message, "s.toml:7: condition `b`: subset.stages: 5 -> the stages are 1 to 4");
        assert!(problems(&text("{ modalities = [] }")).contains("subset.modalities: is empty"));
        assert!(problems(&text("{ stage = [1] }")).contains("unknown field `stage`"));
        let whole = problems(&format!("{HEAD}subset = {{ stages = [0] }}\n{CLEAN}"));
        assert_eq!(whole, "s.toml:1: subset.stages: 0 -> the stages are 1 to 4");
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
        let renamed = problems(&format!("{HEAD}{}", CLEAN.replacen("\"clean\"", "\"plain\"", 1)));
        assert_eq!(
            renamed,
            "s.toml:1: condition `plain`: metrics find the kind `clean` by its name -> write id = \"clean\""
        );
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
        assert_ne!(noise(""), noise("subset = { stages = [2] }\n"));
    }
}
