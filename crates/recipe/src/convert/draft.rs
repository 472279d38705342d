//! Draft of a translated recipe: values at the recipe's keys, each checked by loading a recipe with it.

use std::fmt::Write;
use std::path::Path;

use indexmap::IndexMap;
use stepwise_config::kind::ValueKind;
use stepwise_config::problem::Problem;
use stepwise_config::reference::{Key, Reference};

use super::fate::Fate;
use super::table::TUNING;
use super::yaml::{Entry, Yaml};
use crate::{Recipe, RecipeError};

/// Placeholder for the folder of cases, which the user has to replace.
const DATASET: &str = "data/cases";

/// Draft of a translated recipe: the values set so far, beside the keys of the other tool's file.
pub(super) struct Draft<'a> {
    /// Whether the recipe is full fine-tuning instead of LoRA.
    pub full: bool,
    reference: &'a Reference,
    entries: &'a [Entry],
    /// Folder of cases; None writes a placeholder.
    dataset: Option<String>,
    /// Keys whose values could not be carried over.
    refused: Vec<(&'a str, &'a str)>,
    /// Variables without a value, each at the key that takes it.
    unknown: IndexMap<(&'a str, &'a str), String>,
    /// Keys that were set twice to different values, with the earlier and the later one.
    replaced: Vec<(&'a str, toml::Value, toml::Value)>,
    /// Values by section and key, each with an optional remark.
    values: IndexMap<(&'a str, &'a str), (toml::Value, Option<String>)>,
}

impl<'a> Draft<'a> {
    /// Makes a draft without values. `full` selects full fine-tuning instead of LoRA, `reference` describes the keys of
    /// a recipe, `entries` are the keys of the other tool's file, and `dataset` is the folder of cases; None writes a
    /// placeholder.
    pub fn new(full: bool, reference: &'a Reference, entries: &'a [Entry], dataset: Option<String>) -> Self {
        Self {
            full,
            reference,
            entries,
            dataset,
            refused: Vec::new(),
            unknown: IndexMap::new(),
            replaced: Vec::new(),
            values: IndexMap::new(),
        }
    }

    /// Returns the value of `key` in the other tool's file, the last one where the key is repeated. None when the key
    /// is absent or its last value is null.
    pub fn value(&self, key: &str) -> Option<&'a Yaml> {
        let entry = self.entries.iter().rev().find(|entry| entry.key == key);
        entry.map(|entry| &entry.value).filter(|value| **value != Yaml::Null)
    }

    /// Returns whether the other tool's file has `key`, also without a value.
    pub fn mentions(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Returns the number at `key` in the other tool's file, also when it is written as text. None when the key is
    /// absent, null or no number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.value(key).and_then(Yaml::number)
    }

    /// Returns whether the other tool's file sets `key` to `flag`. False when the key is absent or no flag.
    pub fn is(&self, key: &str, flag: bool) -> bool {
        self.value(key).and_then(Yaml::flag) == Some(flag)
    }

    /// Returns whether the other tool's file sets `key` to exactly `word`, apart from spaces around it. False when the
    /// key is absent.
    pub fn says(&self, key: &str, word: &str) -> bool {
        self.value(key).and_then(Yaml::text).as_deref() == Some(word)
    }

    /// Returns the number that the draft sets at `name` of `section`. None when it sets none there, or no number.
    pub fn set_number(&self, section: &str, name: &str) -> Option<f64> {
        let (value, _) = self.values.get(&(section, name))?;
        value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
    }

    /// Returns the flag that the draft sets at `name` of `section`. None when it sets none there, or no flag.
    pub fn set_flag(&self, section: &str, name: &str) -> Option<bool> {
        self.values.get(&(section, name))?.0.as_bool()
    }

    /// Returns a line about every key that several keys of the other tool's file set to different values.
    pub fn contradictions(&self) -> Vec<String> {
        let line = |(name, old, new): &(&str, toml::Value, toml::Value)| {
            let (old, new) = (written(old), written(new));
            format!("several keys set `{name}`, to {old} and then to {new}: the last one counts -> remove the others")
        };
        self.replaced.iter().map(line).collect()
    }

    /// The name of the table of the kind of training.
    fn tuning(&self) -> &'static str {
        if self.full { "full" } else { "lora" }
    }

    fn key(&self, section: &str, name: &str) -> Option<&'a Key> {
        let section = if section == TUNING { self.tuning() } else { section };
        self.reference.keys_of(section).find(|key| key.name == name)
    }

    /// Sets the key `name` of `section` to `value`, converted to the type of the key, and replaces an earlier value and
    /// its remark. The section [`TUNING`] stands for `[lora]` or `[full]`.
    ///
    /// Returns [`Fate::Carried`]. Returns [`Fate::Left`] with the reason and sets nothing when the key does not belong
    /// to the kind of fine-tuning or a recipe with the value does not load; in the latter case [`Self::put_default`]
    /// skips the key.
    pub fn put(&mut self, section: &str, name: &str, value: &Yaml) -> Fate {
        let Some(key) = self.key(section, name) else {
            return Fate::left(format!("`{name}` has no effect with `finetuning_type = \"{}\"`", self.tuning()));
        };
        if ["lora", "full"].contains(&key.section.as_str()) && key.section != self.tuning() {
            return Fate::left(format!("it has no effect with `finetuning_type = \"{}\"`", self.tuning()));
        }
        let fate = match converted(&key.accepts.kind, value) {
            None => Err(format!("`{}` takes {}", key.name, key.accepts.words)),
            Some(value) => tried(key, &value).map(|()| value),
        };
        match fate {
            Ok(value) => {
                let before = self.values.insert((key.section.as_str(), key.name), (value.clone(), None));
                if let Some((before, _)) = before.filter(|(before, _)| *before != value) {
                    self.replaced.push((key.name, before, value));
                }
                Fate::Carried
            }
            Err(why) => {
                self.refused.push((key.section.as_str(), key.name));
                Fate::left(match &key.default {
                    Some(default) => format!("{why}; the default is used: {default}"),
                    None => why,
                })
            }
        }
    }

    /// Notes that the file sets a key to `variable`, which has no value: [`Self::put_default`] names it in its remark.
    /// Does nothing for a key that recipes do not have.
    pub fn put_unknown(&mut self, section: &str, name: &str, variable: String) {
        if let Some(key) = self.key(section, name) {
            self.unknown.insert((key.section.as_str(), key.name), variable);
        }
    }

    /// Returns the line of the recipe that sets a key, with its remark in brackets. None when the draft does not set it.
    pub fn shown(&self, section: &str, name: &str) -> Option<String> {
        let key = self.key(section, name)?;
        let (value, remark) = self.values.get(&(key.section.as_str(), key.name))?;
        let remark = remark.as_ref().map_or_else(String::new, |remark| format!(" ({remark})"));
        Some(format!("`{} = {}`{remark}", key.name, written(value)))
    }

    /// Returns the default of a key that the draft does not set, in words. None when the key has no default or does not
    /// belong to the kind of fine-tuning.
    pub fn default(&self, section: &str, name: &str) -> Option<String> {
        let key = self.key(section, name)?;
        let other = ["lora", "full"].contains(&key.section.as_str()) && key.section != self.tuning();
        let default = key.default.as_ref().filter(|_| !other)?;
        Some(format!("the default of `{}`, {default},", key.name))
    }

    /// Sets a key to `written`, a value in TOML, and puts `remark` behind it as a comment. Replaces an earlier value
    /// without checking the new one. Does nothing when recipes do not have the key or `written` is not TOML.
    pub fn put_remarked(&mut self, section: &str, name: &str, written: &str, remark: String) {
        let Some(key) = self.key(section, name) else { return };
        let table = format!("x = {written}").parse::<toml::Table>();
        if let Some(value) = table.ok().and_then(|mut table| table.remove("x")) {
            self.values.insert((key.section.as_str(), key.name), (value, Some(remark)));
        }
    }

    /// Sets a key to `written`, the default (in TOML) of the tool `whose`, with a remark that says so. Returns whether
    /// it did. Returns false and changes nothing when recipes do not have the key, the key is already set or was
    /// refused, or, for a warm-up in steps or as a ratio, the other of the two is set.
    pub fn put_default(&mut self, section: &str, name: &str, written: &str, whose: &str) -> bool {
        let Some(key) = self.key(section, name) else { return false };
        let rival = ["warmup_steps", "warmup_ratio"];
        let taken = |name: &str| self.values.contains_key(&(key.section.as_str(), name));
        // A key that the file sets but that cannot be carried over must not get the tool's default either.
        if taken(name)
            || self.refused.contains(&(key.section.as_str(), name))
            || (rival.contains(&name) && rival.iter().any(|rival| taken(rival)))
        {
            return false;
        }
        let remark = match self.unknown.get(&(key.section.as_str(), key.name)) {
            Some(variable) => format!("{whose}'s default in place of {variable}"),
            None => format!("{whose}'s default"),
        };
        self.put_remarked(section, name, written, remark);
        true
    }

    /// Writes the draft as the TOML text of a recipe, with the keys in the order of the reference and the remarks as
    /// comments. An unknown folder of cases becomes the placeholder `data/cases`, marked by a comment.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut keys: Vec<&Key> = self.reference.keys_of("").collect();
        for (section, ..) in self.reference.tables_of("") {
            keys.extend(self.reference.keys_of(section));
        }
        let mut section = "";
        for key in keys {
            if key.section == "data" && key.name == "dataset" {
                let (folder, remark) = match &self.dataset {
                    Some(folder) => (folder.as_str(), ""),
                    None => (DATASET, " # replace by a folder with cases.jsonl"),
                };
                let _ = write!(text, "\n[data]\ndataset = {}{remark}\n", toml::Value::from(folder));
            }
            let Some((value, remark)) = self.values.get(&(key.section.as_str(), key.name)) else { continue };
            if key.section != section {
                section = &key.section;
                let _ = write!(text, "\n[{section}]\n");
            }
            let remark = remark.as_ref().map_or_else(String::new, |remark| format!(" # {remark}"));
            let _ = writeln!(text, "{} = {}{remark}", key.name, written(value));
        }
        text
    }
}

/// A value as TOML; small numbers are written with an exponent.
fn written(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) if *number != 0.0 && number.abs() < 1e-3 => format!("{number:e}"),
        _ => value.to_string(),
    }
}

/// Converts a YAML value to the type `kind`; None when that is not possible.
fn converted(kind: &ValueKind, value: &Yaml) -> Option<toml::Value> {
    match kind {
        ValueKind::Flag => value.flag().map(Into::into),
        ValueKind::Integer(..) => {
            let number = value.number().filter(|number| number.fract() == 0.0 && number.abs() < 9e15)?;
            Some((number as i64).into())
        }
        ValueKind::Number(..) => value.number().map(Into::into),
        ValueKind::Word(_) | ValueKind::Text => value.text().map(Into::into),
        ValueKind::List(of) => match value {
            Yaml::List(elements) => {
                Some(elements.iter().map(|element| converted(of, element)).collect::<Option<Vec<_>>>()?.into())
            }
            _ => Some(value.list()?.into()),
        },
        ValueKind::Map(of) => match value {
            Yaml::Table(entries) => {
                let entries = entries.iter().map(|(name, value)| Some((name.clone(), converted(of, value)?)));
                Some(toml::Value::Table(entries.collect::<Option<_>>()?))
            }
            _ => None,
        },
        ValueKind::Either(kinds) => {
            let several = matches!(value, Yaml::List(_));
            let (lists, others): (Vec<_>, Vec<_>) = kinds.iter().partition(|kind| matches!(kind, ValueKind::List(_)));
            let kinds = if several { lists } else { others };
            kinds.into_iter().find_map(|kind| converted(kind, value))
        }
        ValueKind::Other => match value {
            Yaml::Flag(flag) => Some((*flag).into()),
            Yaml::Integer(number) => Some((*number).into()),
            Yaml::Float(number) => Some((*number).into()),
            Yaml::Text(text) => Some(text.clone().into()),
            Yaml::List(elements) => {
                Some(elements.iter().map(|element| converted(kind, element)).collect::<Option<Vec<_>>>()?.into())
            }
            Yaml::Null | Yaml::Table(_) => None,
        },
    }
}

/// Loads a small recipe with `value` at `key`. The error is the problem that the value causes.
fn tried(key: &Key, value: &toml::Value) -> Result<(), String> {
    let least = "model_name_or_path = \"m\"\ndata.dataset = \"d\"\n";
    let tuning = match key.section.as_str() {
        "full" => "finetuning_type = \"full\"\n",
        // Learning rates of parts need unfrozen parts; a rule checks the actual freezing.
        "train" => "lora.freeze_vision_tower = false\nlora.freeze_multi_modal_projector = false\n",
        _ => "",
    };
    let path = if key.section.is_empty() { key.name.to_owned() } else { format!("{}.{}", key.section, key.name) };
    let text = if key.name == "finetuning_type" { least.to_owned() } else { format!("{least}{tuning}") };
    match Recipe::parse(Path::new("recipe.toml"), text, &[format!("{path}={value}")]) {
        Err(RecipeError::Invalid { problems, .. }) => Err(problems.into_iter().map(said).collect()),
        _ => Ok(()),
    }
}

/// A problem as one line.
fn said(problem: Problem) -> String {
    match problem.help {
        Some(help) => format!("{} -> {help}", problem.message),
        None => problem.message,
    }
}
