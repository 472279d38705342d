//! Translates recipes of other tools. Keys with a counterpart here are carried over; the others are listed with
//! the reason.
//!
//! Counterparts come from the reference of keys and the table of names in other tools; rules cover the rest. A value is
//! carried over only if it is valid in a recipe.

mod draft;
mod rules;
#[cfg(test)]
mod tests;
mod tool;
mod yaml;

use std::path::{Path, PathBuf};

use super::reference;

pub use tool::Tool;

use super::preset::comment;
use super::{FOREIGN_KEYS, Recipe, RecipeError};
use draft::Draft;
use rules::Fate;
use yaml::{Entry, Yaml};

/// Translated recipe of another tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Tool that the recipe was written for.
    pub tool: Tool,
    /// Text of the translated recipe, in TOML. It is a valid recipe; its folder of cases is a placeholder.
    pub recipe: String,
    /// Number of keys that were carried over.
    pub carried: usize,
    /// Keys that were not carried over, in the order of the file; empty when all were.
    pub left: Vec<Left>,
}

/// Key of another tool's recipe that was not carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Line in the file, counted from 1.
    pub line: usize,
    /// Name of the key.
    pub key: String,
    /// Reason, with advice after ` -> ` where there is any.
    pub why: String,
}

/// Errors of translating a recipe of another tool.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The file is not YAML with keys at its top level.
    #[error("{}:{line}: {problem} -> a recipe of {tools} is expected, in YAML", path.display(), tools = tools())]
    Yaml {
        /// Path of the file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Problem at the line.
        problem: String,
    },
    /// The tool cannot be recognised from the keys.
    #[error("{}: the keys do not show which tool the recipe is for -> name the tool with `--from {ids}`", path.display(), ids = ids())]
    Tool {
        /// Path of the file.
        path: PathBuf,
    },
    /// The translation is not a valid recipe.
    #[error("{}: the keys that can be carried over make no valid recipe:\n{error}", path.display())]
    Refused {
        /// Path of the file.
        path: PathBuf,
        /// Problems of the translation.
        error: RecipeError,
    },
}

fn tools() -> String {
    Tool::ALL.map(Tool::name).join(", ")
}

fn ids() -> String {
    Tool::ALL.map(Tool::id).join("|")
}

/// Translates the YAML `text`, a recipe of another tool. `path` is the file's path, for messages; no file is read or
/// written. `from` is the tool it was written for; None recognises the tool from the keys. Where the text does not set
/// a key, the tool's default is written if it differs from the default here.
///
/// # Errors
/// When the text is not a YAML mapping, no tool is recognised, or the translation is not a valid recipe.
pub fn convert(path: &Path, text: &str, from: Option<Tool>) -> Result<Converted, ConvertError> {
    let entries = yaml::read(text).map_err(|error| ConvertError::Yaml {
        path: path.into(),
        line: error.line,
        problem: error.problem,
    })?;
    let tool = from.or_else(|| Tool::recognise(&entries)).ok_or_else(|| ConvertError::Tool { path: path.into() })?;
    let reference = reference();
    let full = is_full(tool, &entries);
    let mut draft = Draft::new(full, &reference, &entries);
    if full {
        draft.put("", "finetuning_type", &Yaml::Text("full".to_owned()));
    }
    let (mut carried, mut left) = (0, Vec::new());
    for entry in entries.iter().filter(|entry| entry.value != Yaml::Null) {
        match fate(tool, entry, &mut draft) {
            Fate::Carried => carried += 1,
            Fate::Implied => {}
            Fate::Left(why) => left.push(Left { line: entry.line, key: entry.key.clone(), why }),
        }
    }
    if tool == Tool::MsSwift && !draft.given("gradient_accumulation_steps") {
        // Without the key ms-swift accumulates up to 16 conversations per step, for any batch size.
        let batch = entries.iter().find(|entry| entry.key == "per_device_train_batch_size");
        let batch = batch.and_then(|entry| entry.value.number()).filter(|batch| *batch >= 1.0).unwrap_or(1.0);
        let steps = (16.0 / batch).ceil().to_string();
        draft.put_default("train", "gradient_accumulation_steps", &steps, tool.name());
    }
    for (section, name, value) in tool.defaults(full) {
        // A key that the file sets but that cannot be carried over must not get the tool's default either.
        if !entries.iter().any(|entry| FOREIGN_KEYS.alias(&entry.key).unwrap_or(&entry.key) == name) {
            draft.put_default(section, name, value, tool.name());
        }
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let head = comment(&format!(
        "Translated from {name}, a recipe of {tool}, by `stepwise convert`. {tool} has no clinical stages: this recipe trains \
         all stages together; `order = \"stepwise\"` below `[curriculum]` trains them one after the other.",
        tool = tool.name(),
    ));
    let recipe = format!("{head}{}", draft.text());
    match Recipe::parse(Path::new("recipe.toml"), recipe.clone(), &[]) {
        Ok(_) => Ok(Converted { tool, recipe, carried, left }),
        Err(error) => Err(ConvertError::Refused { path: path.into(), error }),
    }
}

fn is_full(tool: Tool, entries: &[Entry]) -> bool {
    let value = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value);
    match tool {
        Tool::Trl => value("use_peft").and_then(Yaml::flag) != Some(true),
        Tool::LlamaFactory | Tool::MsSwift => ["finetuning_type", "tuner_type", "train_type", "sft_type"]
            .iter()
            .any(|key| value(key).and_then(Yaml::text).as_deref() == Some("full")),
    }
}

fn fate(tool: Tool, Entry { key, value, .. }: &Entry, draft: &mut Draft<'_>) -> Fate {
    if let Some(fate) = rules::rule(tool, key, value, draft) {
        return fate;
    }
    let ours = FOREIGN_KEYS.alias(key).unwrap_or(key);
    if let Some(key) = draft.key(ours) {
        return draft.put_at(key, value);
    }
    if value.flag() == Some(false) {
        return Fate::Implied; // Off there, and not available here.
    }
    Fate::Left(match FOREIGN_KEYS.unsupported(ours) {
        Some(Some(instead)) => instead.to_owned(),
        Some(None) => format!("`{ours}` is not supported yet"),
        None => "Stepwise has no such setting".to_owned(),
    })
}
