//! Draft of a translated recipe: values at the recipe's keys, each checked by loading a recipe with it.

use std::fmt::Write;
use std::path::Path;

use indexmap::IndexMap;
use stepwise_config::kind::ValueKind;
use stepwise_config::problem::Problem;
use stepwise_config::reference::{Key, Reference};

use super::rules::Fate;
use super::yaml::{Entry, Yaml};
use crate::{Recipe, RecipeError};

/// Placeholder for the folder of cases, which the user has to replace.
const DATASET: &str = "data/cases";

/// Draft of a translated recipe.
pub(super) struct Draft<'a> {
    /// Whether the recipe is full fine-tuning instead of LoRA.
    pub full: bool,
    reference: &'a Reference,
    entries: &'a [Entry],
    /// Values by section and key, each with an optional remark.
    values: IndexMap<(&'a str, &'a str), (toml::Value, Option<String>)>,
}

impl<'a> Draft<'a> {
    /// Makes an empty draft. `reference` is the reference of recipes, and `entries` are the keys of the other
    /// tool's recipe.
    pub fn new(full: bool, reference: &'a Reference, entries: &'a [Entry]) -> Self {
        Self { full, reference, entries, values: IndexMap::new() }
    }

    /// Returns whether the other tool's recipe sets `key` to a value other than null.
    pub fn given(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.value != Yaml::Null)
    }

    /// Returns whether the other tool's recipe sets `key` to a number above 0.
    pub fn given_above_zero(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.value.number().is_some_and(|number| number > 0.0))
    }

    /// Returns whether the other tool's recipe sets `key` to true.
    pub fn given_true(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.value.flag() == Some(true))
    }

    /// Returns whether the other tool's recipe sets `key` to false.
    pub fn given_false(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.value.flag() == Some(false))
    }

    /// Returns whether the other tool's recipe sets `key` to `word`.
    pub fn says(&self, key: &str, word: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && entry.value.text().as_deref() == Some(word))
    }

    /// Returns the recipe's key called `name`, from the sections for which other tools have keys; None if there
    /// is none.
    pub fn key(&self, name: &str) -> Option<&'a Key> {
        let tuning = if self.full { "full" } else { "lora" };
        let sections = ["", tuning, "train", "lora", "full"];
        sections.into_iter().find_map(|section| self.reference.keys_of(section).find(|key| key.name == name))
    }

    /// Sets the key `name` of `section` to `value`, if the value is valid there. Returns [`Fate::Carried`], or
    /// [`Fate::Left`] with the reason.
    pub fn put(&mut self, section: &str, name: &str, value: &Yaml) -> Fate {
        let found = self.reference.keys_of(section).find(|key| key.name == name);
        match found {
            Some(key) => self.put_at(key, value),
            None => Fate::Left(format!("`{name}` is not supported yet")),
        }
    }

    /// Sets `key` to `value`, if the value is valid there and the key has an effect with this kind of training. Returns
    /// [`Fate::Carried`], or [`Fate::Left`] with the reason.
    pub fn put_at(&mut self, key: &'a Key, value: &Yaml) -> Fate {
        let tuning = if self.full { "full" } else { "lora" };
        if ["lora", "full"].contains(&key.section.as_str()) && key.section != tuning {
            return Fate::Left(format!("it has no effect with `finetuning_type = \"{tuning}\"`"));
        }
        let Some(value) = converted(&key.accepts.kind, value) else {
            return Fate::Left(format!("`{}` takes {}", key.name, key.accepts.words));
        };
        if let Err(why) = tried(key, &value) {
            return Fate::Left(why);
        }
        self.values.insert((key.section.as_str(), key.name), (value, None));
        Fate::Carried
    }

    /// Sets a key to the default `written` (TOML) of the tool `whose`, with a remark. Does nothing if there is no such
    /// key, or if the key is already set; of `warmup_steps` and `warmup_ratio` only one may be set.
    pub fn put_default(&mut self, section: &str, name: &str, written: &str, whose: &str) {
        let Some(key) = self.reference.keys_of(section).find(|key| key.name == name) else { return };
        let rival = ["warmup_steps", "warmup_ratio"];
        let taken = |name: &str| self.values.contains_key(&(key.section.as_str(), name));
        if taken(name) || (rival.contains(&name) && rival.iter().any(|rival| taken(rival))) {
            return;
        }
        if let Some(value) =
            format!("x = {written}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("x"))
        {
            self.values.insert((key.section.as_str(), key.name), (value, Some(format!("{whose}'s default"))));
        }
    }

    /// Returns the text of the recipe, with keys in the order of the reference.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut keys: Vec<&Key> = self.reference.keys_of("").collect();
        for (section, ..) in self.reference.tables_of("") {
            keys.extend(self.reference.keys_of(section));
        }
        let mut section = "";
        for key in keys {
            if key.section == "data" && key.name == "dataset" {
                let _ = write!(text, "\n[data]\ndataset = \"{DATASET}\" # replace by a folder with cases.jsonl\n");
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
