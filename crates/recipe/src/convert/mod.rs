//! Translates training files and commands of other tools. Every key is carried over, ignored with a reason, left with a
//! reason, or unknown.
//!
//! Each tool has one table of its keys. A value is carried over only if it is valid in a recipe.

mod arguments;
mod batch;
mod detect;
mod draft;
mod error;
mod fate;
mod import_command;
mod input;
mod purpose;
mod rules;
mod shell;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod tool;
mod yaml;

use std::io;
use std::path::Path;

use super::preset::comment;
use super::{Recipe, RecipeError, reference};
use draft::Draft;
use input::Input;
use stepwise_config::nearest::nearest;
use table::Meaning;
use yaml::{Entry, Yaml};

pub use batch::Questions;
pub use error::ConvertError;
pub use fate::Fate;
pub use purpose::{Found, Purpose};
pub use tool::Tool;

/// What the user says about a file to be translated.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Tool that the file is written for; None recognises it.
    pub from: Option<Tool>,
    /// Folder of cases, and the number of its training cases and their questions, from which batch sizes are computed.
    /// None writes a placeholder for the folder and takes the tool's numbers of conversations as numbers of cases.
    pub data: Option<(&'a str, Questions)>,
    /// Returns the text of a file named in a command. The default reads no file and returns an error.
    pub read: &'a dyn Fn(&str) -> io::Result<String>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self { from: None, data: None, read: &|_| Err(io::Error::other("no other file is read")) }
    }
}

/// A translated recipe, with what became of every key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Tool that the recipe was written for.
    pub tool: Tool,
    /// Text of the translated recipe, in TOML.
    pub recipe: String,
    /// Every key of the file, in order, and the environment variables of a command.
    pub keys: Vec<Translated>,
    /// What differs besides single keys: batch sizes, length, defaults.
    pub notes: Vec<String>,
}

/// A key of the other tool's file, or an environment variable of its command, with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// File and line, such as `sft.yaml:3`.
    pub place: String,
    /// Name of the key; for an environment variable, with `$` in front.
    pub key: String,
    /// What became of the key.
    pub fate: Fate,
}

/// Translates `text`, the content of the file `path`, into a recipe. The file itself is not read and nothing is
/// written. Where a key is repeated, only its last value is translated and the others are [`Fate::Ignored`]. Defaults
/// of the tool that differ from those of Stepwise are written out.
///
/// # Errors
/// When
/// - the text is neither YAML with keys nor a script with exactly one training command,
/// - a quote of the command is not closed, or a file that it names cannot be read or is not YAML,
/// - the tool is not given and cannot be recognised,
/// - the file is for something other than supervised fine-tuning,
/// - the translation is not a valid recipe, for example because a required key has no value.
pub fn convert(path: &Path, text: &str, request: &Request<'_>) -> Result<Converted, ConvertError> {
    let Input { tool, entries, environment, processes, line, mut notes } =
        input::read(path, text, request.from, request.read)?;
    let reference = reference();
    let known = known(&entries);
    let full = tool.is_full(&known);
    let folder = request.data.map(|(folder, _)| folder.to_owned());
    let mut draft = Draft::new(full, &reference, &known, folder);
    if full {
        draft.put("", "finetuning_type", &Yaml::Text("full".to_owned()));
    }
    let mut fates = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let again = entries[index + 1..].iter().find(|later| later.key == entry.key);
        fates.push(match again {
            Some(later) => Some(Fate::Ignored(format!("{} gives it again", place(&later.file, later.line)))),
            None => fate(tool, entry, &mut draft),
        });
    }
    notes.extend(draft.contradictions());
    let defaults = tool.defaults(&draft).into_iter();
    let added = defaults.filter(|(section, name, value)| draft.put_default(section, name, value, tool.name())).count();
    notes.extend(batch::put(tool, &mut draft, processes, request.data.map(|(_, questions)| questions)));
    notes.extend(differences(tool, &draft));
    notes.extend(import_command::notes(tool, &entries));
    let of_command = environment.iter().map(|(name, _)| Translated {
        place: place(&path.display().to_string(), line),
        key: format!("${name}"),
        fate: variable(name),
    });
    let of_file = entries.iter().zip(fates).map(|(entry, fate)| Translated {
        place: place(&entry.file, entry.line),
        key: entry.key.clone(),
        fate: fate.unwrap_or_else(|| unknown_value(tool, entry, &draft)),
    });
    let keys: Vec<Translated> = of_command.chain(of_file).collect();
    if added > 0 {
        notes.push(format!("defaults of {} that differ here are written out and marked: {added}", tool.name()));
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let head = comment(&format!(
        "Translated from {name}, a recipe of {tool}, by `stepwise convert`. {tool} has no clinical stages: this recipe trains \
         all stages together; `order = \"stepwise\"` below `[curriculum]` trains them one after the other.",
        tool = tool.name(),
    ));
    let recipe = format!("{head}{}", draft.text());
    match Recipe::parse(Path::new("recipe.toml"), recipe.clone(), &[]) {
        Ok(_) => Ok(Converted { tool, recipe, keys, notes }),
        Err(error) => Err(ConvertError::Refused { path: path.into(), causes: causes(tool, &keys, &error), error }),
    }
}

fn place(file: &str, line: usize) -> String {
    format!("{file}:{line}")
}

/// The entries without the keys whose last value names a variable without a value: the draft takes them for absent.
fn known(entries: &[Entry]) -> Vec<Entry> {
    let last = |key: &str| entries.iter().rev().find(|entry| entry.key == key);
    let known = |entry: &&Entry| last(&entry.key).is_some_and(|last| last.value.unresolved().is_none());
    entries.iter().filter(known).cloned().collect()
}

/// What becomes of a key. None when its value is not known and would be used: [`unknown_value`] says what is used
/// instead, once the draft is complete.
fn fate(tool: Tool, Entry { key, value, .. }: &Entry, draft: &mut Draft<'_>) -> Option<Fate> {
    let meaning = tool.table().meaning(key);
    if *value == Yaml::Null {
        return Some(Fate::Unset);
    }
    if let (Some(name), Some(Meaning::Same(..) | Meaning::Rule(_))) = (value.unresolved(), &meaning) {
        if let Some(Meaning::Same(section, ours)) = meaning {
            draft.put_unknown(section, ours, name);
            if ours == MODEL && draft.shown(section, ours).is_none() {
                let written = toml::Value::from(value.text().unwrap_or_default()).to_string();
                draft.put_remarked(section, ours, &written, "replace by the folder of the model".to_owned());
            }
        }
        return None;
    }
    Some(match meaning {
        Some(Meaning::Same(section, ours)) => draft.put(section, ours, value),
        Some(Meaning::Rule(rule)) => rule(value, draft),
        Some(Meaning::Group(group)) if !group.changes => Fate::Ignored(group.why.to_owned()),
        Some(Meaning::Group(_)) if value.off() => {
            Fate::Ignored("it is switched off, and Stepwise does not have it".to_owned())
        }
        Some(Meaning::Group(group)) => Fate::Left(group.why.to_owned()),
        None => {
            // Keys of a nested table are compared with each other.
            let (table, name) = key.rsplit_once('.').map_or(("", key.as_str()), |(table, name)| (table, name));
            let inside = |key: &'static str| match table {
                "" => Some(key),
                table => key.strip_prefix(table)?.strip_prefix('.'),
            };
            let near = nearest(name, tool.table().keys().filter_map(inside));
            let help = near.map_or_else(String::new, |near| format!(" -> did you mean `{near}`?"));
            Fate::Unknown(format!("{} has no such key, as far as Stepwise knows it{help}", tool.name()))
        }
    })
}

/// Key of a recipe that has no default.
const MODEL: &str = "model_name_or_path";

/// What becomes of a key whose value names a variable without a value: the complete draft shows the value that is used
/// instead.
fn unknown_value(tool: Tool, entry: &Entry, draft: &Draft<'_>) -> Fate {
    let name = entry.value.unresolved().unwrap_or_default();
    let used = match tool.table().meaning(&entry.key) {
        Some(Meaning::Same(_, MODEL)) => String::new(),
        Some(Meaning::Same(section, ours)) => match draft.shown(section, ours).or_else(|| draft.default(section, ours))
        {
            Some(used) => format!("; {used} is used"),
            None => "; nothing is set".to_owned(),
        },
        _ => format!("; the default of {} is used", tool.name()),
    };
    Fate::Left(format!("{name} has no single value in the file{used} -> write the value in its place"))
}

/// Keys that were not carried over and that a problem of the translation is about, each with its place and the reason.
fn causes(tool: Tool, keys: &[Translated], error: &RecipeError) -> Vec<String> {
    let RecipeError::Invalid { problems, .. } = error else { return Vec::new() };
    let cause = |Translated { place, key, fate }: &Translated| {
        let (Some(Meaning::Same(_, ours)), Fate::Left(why)) = (tool.table().meaning(key), fate) else { return None };
        let about = problems.iter().any(|problem| problem.message.contains(&format!("`{ours}`")));
        about.then(|| format!("{place}: {key}: {why}"))
    };
    keys.iter().filter_map(cause).collect()
}

/// What becomes of an environment variable that a script sets for its command.
fn variable(name: &str) -> Fate {
    match name {
        "NPROC_PER_NODE" | "NNODES" | "CUDA_VISIBLE_DEVICES" | "WORLD_SIZE" => {
            Fate::Ignored("training runs on one device; the number of processes is in the batch sizes".to_owned())
        }
        "MAX_PIXELS"
        | "MIN_PIXELS"
        | "IMAGE_MAX_TOKEN_NUM"
        | "IMAGE_MIN_TOKEN_NUM"
        | "SIZE_FACTOR"
        | "INPUT_SIZE"
        | "MAX_NUM" => Fate::Left("the processor of the model's folder sets the image size".to_owned()),
        _ => Fate::Ignored("it sets how the machine is used and does not change the training".to_owned()),
    }
}

/// Differences that no key of the file shows.
fn differences(tool: Tool, draft: &Draft<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if tool == Tool::Trl
        && draft.value("assistant_only_loss").is_none()
        && draft.value("completion_only_loss").is_none()
    {
        notes.push(
            "TRL supervises whole conversations unless `assistant_only_loss` is set; here only answers are supervised"
                .to_owned(),
        );
    }
    let chosen = ["lora_target_modules", "lora_target_linear"].iter().any(|key| draft.value(key).is_some());
    if tool == Tool::Trl && !draft.full && !chosen {
        notes.push("`lora_target_modules` is not set: PEFT chooses by the type of the model, here all linear layers get adapters".to_owned());
    }
    let kind = ["torch_dtype", "bf16", "fp16"].iter().any(|key| draft.value(key).is_some());
    if matches!(tool, Tool::MsSwift | Tool::MegatronSwift) && !kind {
        notes.push(
            "`torch_dtype` is not set: ms-swift takes the number format of the model's `config.json`; for bfloat16 add \
             `bf16 = true` below `[train]`"
                .to_owned(),
        );
    }
    if tool == Tool::Axolotl && !["warmup_steps", "warmup_ratio"].iter().any(|key| draft.value(key).is_some()) {
        notes.push("no warm-up is set: Axolotl takes 3 % of the steps, at most 100; here 3 %".to_owned());
    }
    notes
}
