//! Why a file was not translated.

use std::path::PathBuf;

use super::purpose::Found;
use super::tool::Tool;
use crate::RecipeError;

/// Why a file was not translated. Each message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The file is neither YAML with keys at its top level nor a script with a command of a known tool.
    #[error("{file}:{line}: {problem} -> a recipe of {tools} is expected, in YAML, or its command in a shell script", tools = tools())]
    Yaml {
        /// Path of the file.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// The problem.
        problem: String,
    },
    /// The tool cannot be recognised from the keys.
    #[error("{}: the keys do not show which tool the recipe is for -> name the tool with `--from {ids}`", path.display(), ids = ids())]
    Tool {
        /// The file.
        path: PathBuf,
    },
    /// The file is for something other than supervised fine-tuning.
    #[error(
        "{}{}: {} shows {}, no supervised fine-tuning{} -> {}",
        path.display(),
        found.line.map_or_else(String::new, |line| format!(":{line}")),
        found.evidence,
        found.purpose.name(),
        tool.map_or_else(String::new, |tool| format!(" of {}", tool.name())),
        found.purpose.advice()
    )]
    Purpose {
        /// The file.
        path: PathBuf,
        /// The tool; None for files that are of no training tool.
        tool: Option<Tool>,
        /// What shows the purpose.
        found: Found,
    },
    /// The script has no command that can be translated, or several.
    #[error("{}{}: {problem} -> {advice}", path.display(), line.map_or_else(String::new, |line| format!(":{line}")))]
    Script {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: Option<usize>,
        /// The problem.
        problem: String,
        /// Advice.
        advice: String,
    },
    /// The translation is not a valid recipe.
    #[error(
        "{}: the keys that can be carried over make no valid recipe -> correct the file, or the keys below:\n{}{error}",
        path.display(),
        causes.iter().map(|cause| format!("{cause}\n")).collect::<String>()
    )]
    Refused {
        /// The file.
        path: PathBuf,
        /// Keys of the file that were not carried over and are missing there, each with its place and the reason.
        causes: Vec<String>,
        /// Problems of the translation.
        error: RecipeError,
    },
}

/// Returns the names of all tools, separated by commas, for messages.
pub(super) fn tools() -> String {
    Tool::ALL.map(Tool::name).join(", ")
}

fn ids() -> String {
    Tool::ALL.map(Tool::id).join("|")
}
