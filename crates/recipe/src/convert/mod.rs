//! Recipes of other tools, translated: what has a key here is carried over, what has none is listed with the reason.
//!
//! What is called the same is known from the reference of keys and from the table of names used elsewhere; rules are for the
//! rest. A value is carried over only where the reader of recipes takes it.

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

/// A translated recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The tool it is from.
    pub tool: Tool,
    /// Ours.
    pub recipe: String,
    /// How many keys stand in it.
    pub carried: usize,
    /// Those that do not, in the order of the file.
    pub left: Vec<Left>,
}

/// A key that was not carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Counted from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// Why.
    pub why: String,
}

/// Why there is no translation.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is not YAML with keys at its top level.
    #[error("{}:{line}: {problem} -> a recipe of {tools} is expected, in YAML", path.display(), tools = tools())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// No tool is recognised.
    #[error("{}: its keys do not tell which tool it is for -> say it with `--from {ids}`", path.display(), ids = ids())]
    Tool {
        /// The file.
        path: PathBuf,
    },
    /// What was made of it is no recipe.
    #[error("{}: what can be carried over makes no recipe:\n{error}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        error: RecipeError,
    },
}

fn tools() -> String {
    Tool::ALL.map(Tool::name).join(", ")
}

fn ids() -> String {
    Tool::ALL.map(Tool::id).join("|")
}

/// Translates the YAML `text` of the file `path`; `from` says of which tool it is, or else its keys do.
///
/// # Errors
/// When it is no YAML, no tool is recognised, or what can be carried over makes no recipe.
pub fn import(path: &Path, text: &str, from: Option<Tool>) -> Result<Imported, ImportError> {
    let entries = yaml::read(text).map_err(|error| ImportError::Yaml {
        path: path.into(),
        line: error.line,
        problem: error.problem,
    })?;
    let tool = from.or_else(|| Tool::recognise(&entries)).ok_or_else(|| ImportError::Tool { path: path.into() })?;
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
        // It accumulates up to 16 conversations a step, whatever the batch.
        let batch = entries.iter().find(|entry| entry.key == "per_device_train_batch_size");
        let batch = batch.and_then(|entry| entry.value.number()).filter(|batch| *batch >= 1.0).unwrap_or(1.0);
        let steps = (16.0 / batch).ceil().to_string();
        draft.put_default("train", "gradient_accumulation_steps", &steps, tool.name());
    }
    for (section, name, value) in tool.defaults(full) {
        // Where the file says something that has no place here, its tool's default would be a third thing.
        if !entries.iter().any(|entry| FOREIGN_KEYS.alias(&entry.key).unwrap_or(&entry.key) == name) {
            draft.put_default(section, name, value, tool.name());
        }
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let head = comment(&format!(
        "Translated from {name}, a recipe of {tool}, by `stepwise import`. {tool} has no clinical stages: all are learned \
         together here; `order = \"stepwise\"` below `[curriculum]` learns them one after the other.",
        tool = tool.name(),
    ));
    let recipe = format!("{head}{}", draft.text());
    match Recipe::parse(Path::new("recipe.toml"), recipe.clone(), &[]) {
        Ok(_) => Ok(Imported { tool, recipe, carried, left }),
        Err(error) => Err(ImportError::Refused { path: path.into(), error }),
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
        return Fate::Implied; // Nothing of the kind is done here either.
    }
    Fate::Left(match FOREIGN_KEYS.unsupported(ours) {
        Some(Some(instead)) => instead.to_owned(),
        Some(None) => format!("`{ours}` is not supported yet"),
        None => "Stepwise has nothing of the kind".to_owned(),
    })
}
