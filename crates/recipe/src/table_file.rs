//! Reads the table file: the models of a table, named once, and the evaluation that they share. The program evaluates
//! models and makes the table; the file is read here, where no tensors are needed.

use std::path::{Path, PathBuf};

use stepwise_benchmark::score::Scoring;
use stepwise_config::document::{Document, Table};
use stepwise_config::section::{Findings, Section};
use stepwise_data::case::Split;

use crate::{FOREIGN_KEYS, RecipeError, Reference};

/// Checked table file, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct TableFile {
    /// Folder that holds the results of the models that are evaluated.
    pub output_dir: PathBuf,
    /// Folder with the cases; None takes the cases of a run, and synthetic cases for other models.
    pub data: Option<PathBuf>,
    /// Split that is evaluated; None means the default of an evaluation.
    pub split: Option<Split>,
    /// Suite: `fast`, `full`, or the path of a suite file; None means the default of an evaluation.
    pub suite: Option<PathBuf>,
    /// Scoring of choices and yes/no questions; None takes the scoring of the suite.
    pub scoring: Option<Scoring>,
    /// Largest number of cases, at least 1; None evaluates all.
    pub max_cases: Option<u64>,
    /// Models, at least one, in the order of the file.
    pub models: Vec<NamedModel>,
}

/// Model of a table file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedModel {
    /// Name in the table, unlike all others.
    pub name: String,
    /// Where its outcomes come from.
    pub source: ModelSource,
}

/// Source of the outcomes of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// Run, checkpoint, PEFT folder or model folder at a path, which is evaluated.
    Local(PathBuf),
    /// Model of a server, which is evaluated.
    Served {
        /// Address of the server.
        endpoint: String,
        /// Name of the model on the server.
        model: String,
        /// Environment variable that holds the API key; None sends no key.
        api_key_env: Option<String>,
    },
    /// Outcomes that exist: any path that `stepwise compare` reads.
    Outcomes(PathBuf),
}

impl NamedModel {
    /// Returns the name of the model's folder of results: the name, with a hyphen in place of each character that is
    /// neither a letter or digit of ASCII nor `-`, `_` or `.`.
    #[must_use]
    pub fn folder(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        self.name.chars().map(plain).collect::<String>().trim_start_matches('.').to_owned()
    }
}

impl TableFile {
    /// Reads `text` as the table file at `path`. The path is used in messages and names the default `output_dir`; no
    /// file is read.
    ///
    /// # Errors
    /// When the text is not TOML, has an unknown key or a wrong value, names a model twice or without a source; the error
    /// lists every problem.
    pub fn parse(path: &Path, text: String) -> Result<Self, RecipeError> {
        let invalid = |problems| RecipeError::Invalid { path: path.into(), problems };
        let Document { sources, root } = Document::parse(path.display().to_string(), text, &[]).map_err(invalid)?;
        let findings = Findings::new(sources);
        let file = read(path, root, &findings);
        let problems = findings.problems(&reference(), &FOREIGN_KEYS);
        if problems.is_empty() { Ok(file) } else { Err(invalid(problems)) }
    }
}

/// Returns every key and table of a table file, documented by the code that reads them.
#[must_use]
pub fn reference() -> Reference {
    let findings = Findings::new(Vec::new());
    read(Path::new("table.toml"), Table::new(), &findings);
    read_model(&mut Section::top(Table::new(), &findings).part("models"));
    findings.reference()
}

/// Words of the key `split`.
const SPLITS: [(&str, Option<Split>); 3] =
    [("train", Some(Split::Train)), ("validation", Some(Split::Validation)), ("test", Some(Split::Test))];

/// Words of the key `scoring`.
const SCORINGS: [(&str, Option<Scoring>); 3] = [
    ("loglikelihood", Some(Scoring::Loglikelihood)),
    ("letter", Some(Scoring::Letter)),
    ("generate", Some(Scoring::Generate)),
];

fn read(path: &Path, root: Table, findings: &Findings) -> TableFile {
    let mut top = Section::top(root, findings).about("Models of a table, and the evaluation that they share.");
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let output_dir = top
        .path("output_dir", Some("`checkpoints/` and the file's name"), "Folder that holds the results of the models.")
        .unwrap_or_else(|| Path::new("checkpoints").join(stem));
    let data =
        top.path("data", Some("the cases of a run, else synthetic cases"), "Case file, or folder with `cases.jsonl`.");
    let split = top.choice_or_none("split", &SPLITS, "the default of `stepwise eval`", "Split to evaluate.");
    let suite_at = top.at("suite");
    let suite = top.text("suite", Some("the suite of a run, else \"fast\""), SUITE);
    let suite = suite.and_then(|suite| match suite.as_str() {
        "fast" | "full" => Some(PathBuf::from(suite)),
        written => top.resolved(suite_at.as_ref(), written),
    });
    let scoring = top.choice_or_none("scoring", &SCORINGS, "the scoring of the suite", SCORING);
    let max_cases = top.integer_or("max_cases", None, 1.., "Evaluates at most this many cases.");
    let mut models: Vec<NamedModel> = Vec::new();
    for mut section in top.sections("models") {
        let at = section.at("name");
        let Some(model) = read_model(&mut section) else {
            section.finish();
            continue;
        };
        if let Some(other) = models.iter().find(|other| other.folder().eq_ignore_ascii_case(&model.folder())) {
            let message = match other.name == model.name {
                true => format!("two models are called `{}`", model.name),
                false => format!("`{}` and `{}` would share the folder `{}`", other.name, model.name, model.folder()),
            };
            section.report(at.as_ref(), message, "give each model a name of its own");
        }
        section.finish();
        models.push(model);
    }
    top.finish();
    TableFile { output_dir, data, split, suite, scoring, max_cases, models }
}

const SUITE: &str = "Suite: \"fast\", \"full\", or the path of a suite file.";
const SCORING: &str = "Scoring of choices and yes/no questions. Served models that lack it are an error.";

/// Reads one table `[[models]]`; None where its name or source is missing or wrong, which is reported.
fn read_model(section: &mut Section<'_>) -> Option<NamedModel> {
    let name_at = section.at("name");
    let name = section.text("name", None, "Name in the table.");
    section.requires();
    let path = section.path("path", None, "Run, checkpoint, PEFT folder or model folder to evaluate.");
    let endpoint = section.text("endpoint", None, "Address of a server with the OpenAI chat API to evaluate.");
    let model = section.text("model", Some("`name`"), "Name of the model on the server.");
    let api_key_env = section.text("api_key_env", None, "Environment variable that holds the API key of the server.");
    let outcomes = section.path("outcomes", None, "Outcomes that exist: any path that `stepwise compare` reads.");
    let Some(name) = name else {
        if name_at.is_none() {
            section.report(None, "`name` is missing", "write it as `name = \"SmolVLM-256M\"`");
        }
        return None;
    };
    if name.trim_matches(|c: char| !c.is_ascii_alphanumeric()).is_empty() {
        section.report(name_at.as_ref(), format!("`name` cannot be \"{name}\""), "use a letter or a digit");
        return None;
    }
    if endpoint.is_none() && (model.is_some() || api_key_env.is_some()) {
        let message = format!("`{name}` has `model` or `api_key_env`, but no `endpoint`");
        section.report(name_at.as_ref(), message, "write the address of the server as `endpoint`");
        return None;
    }
    let source = match (path, endpoint, outcomes) {
        (Some(path), None, None) => ModelSource::Local(path),
        (None, Some(endpoint), None) => {
            ModelSource::Served { endpoint, model: model.unwrap_or_else(|| name.clone()), api_key_env }
        }
        (None, None, Some(outcomes)) => ModelSource::Outcomes(outcomes),
        (path, endpoint, outcomes) => {
            let is_any = path.is_some() || endpoint.is_some() || outcomes.is_some();
            let message = match is_any {
                true => format!("`{name}` has more than one source"),
                false => format!("`{name}` has no source"),
            };
            section.report(name_at.as_ref(), message, "write one of `path`, `endpoint` and `outcomes`");
            return None;
        }
    };
    Some(NamedModel { name, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<TableFile, String> {
        TableFile::parse(Path::new("tables/mine.toml"), text.to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_short_file_has_defaults_and_every_kind_of_source() {
        let text = "suite = \"fast\"\nsplit = \"test\"\n[[models]]\nname = \"A b/c\"\npath = \"runs/a\"\n\
                    [[models]]\nname = \"b\"\nendpoint = \"http://localhost:1/v1\"\n\
                    [[models]]\nname = \"c\"\noutcomes = \"c.jsonl\"\n";
        let file = parsed(text).expect("valid");
        assert_eq!(file.output_dir, Path::new("checkpoints/mine"));
        assert_eq!((file.split, file.suite.as_deref(), file.data), (Some(Split::Test), Some(Path::new("fast")), None));
        assert_eq!((file.scoring, file.max_cases), (None, None));
        assert_eq!(file.models[0].folder(), "A-b-c");
        let served = ModelSource::Served {
            endpoint: "http://localhost:1/v1".to_owned(),
            model: "b".to_owned(),
            api_key_env: None,
        };
        let sources: Vec<&ModelSource> = file.models.iter().map(|model| &model.source).collect();
        assert_eq!(sources, [&ModelSource::Local("runs/a".into()), &served, &ModelSource::Outcomes("c.jsonl".into())]);
    }

    #[test]
    fn all_problems_of_a_file_are_named_at_once() {
        let text = "splits = \"test\"\n[[models]]\nname = \"a\"\npath = \"x\"\noutcomes = \"y\"\n\
                    [[models]]\npath = \"x\"\n[[models]]\nname = \"b\"\n[[models]]\nname = \"c\"\noutcomes = \"y\"\n\
                    [[models]]\nname = \"C\"\noutcomes = \"z\"\n[[models]]\nname = \"d\"\nmodel = \"e\"\npath = \"x\"\n\
                    [[models]]\nname = \"..\"\npath = \"x\"\n";
        let said = parsed(text).expect_err("seven problems");
        for part in [
            "splits",
            "`a` has more than one source",
            "`name` is missing",
            "`b` has no source",
            "`c` and `C` would share the folder",
            "no `endpoint`",
            "`name` cannot be \"..\"",
        ] {
            assert!(said.contains(part), "{part} is missing in {said}");
        }
    }

    #[test]
    fn every_key_has_its_meaning() {
        let reference = reference();
        let keys: Vec<&str> = reference.keys_of("models").map(|key| key.name).collect();
        assert_eq!(keys, ["name", "path", "endpoint", "model", "api_key_env", "outcomes"]);
        let page = include_str!("../../../docs/table.md");
        for key in &reference.keys {
            assert!(!key.help.is_empty() && page.contains(&format!("| `{}` |", key.name)), "{}", key.name);
        }
    }
}
