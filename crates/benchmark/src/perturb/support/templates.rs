//! Sentence templates as data. Every family of templates belongs to one split: training, validation or held out.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::perturb::{Scene, Skip};

/// Name of the parameter that selects the split of templates; every kind with templates has it, and [`Families`] lists
/// its values.
pub const FAMILIES: &str = "families";

/// Split of a template family, that is, its permitted use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Families {
    /// May occur in training data.
    Training,
    /// Used in evaluations after every epoch, which select the checkpoint.
    Validation,
    /// Used only in the final evaluation: neither trained on nor used to select a checkpoint.
    #[default]
    HeldOut,
}

impl Families {
    /// All splits, in the order training, validation, held out.
    pub const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::HeldOut];

    /// Returns the name of the split in template and suite files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::HeldOut => "held_out",
        }
    }
}

/// One template of a template file, with its family, its split and the sentences `W`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Template<W> {
    /// Name of the family. Templates of one family have the same meaning and similar wording.
    pub family: String,
    /// Split of the family.
    pub split: Families,
    /// Position among the templates of the family in the file, from 1.
    #[serde(skip)]
    pub number: usize,
    /// Sentences of the template, with gaps such as `{answer}`.
    #[serde(flatten)]
    pub words: W,
}

impl<W> Template<W> {
    /// Returns the id of the template in outcomes, unique in its file: `FAMILY/NUMBER`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.family, self.number)
    }
}

/// All templates of one file, whose sentences have the type `W`.
#[derive(Clone, Debug)]
pub struct Library<W> {
    templates: Vec<Template<W>>,
}

/// Parameters of a kind that has templates and no other parameters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wording {
    /// Split of the templates that may be drawn; `held_out` by default.
    pub families: Families,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<W> {
    #[serde(rename = "version")]
    _version: u32,
    template: Vec<Template<W>>,
}

impl<W: DeserializeOwned> Library<W> {
    /// Parses the text `toml` of a template file that is embedded in the program.
    ///
    /// # Panics
    /// When `toml` is not a valid template file. A test parses every embedded file.
    #[must_use]
    pub fn built_in(toml: &str) -> Self {
        let file: File<W> = toml::from_str(toml).expect("the built-in templates are read by a test");
        let mut templates = file.template;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for template in &mut templates {
            let count = counts.entry(template.family.clone()).or_default();
            *count += 1;
            template.number = *count;
        }
        Self { templates }
    }
}

impl<W> Library<W> {
    /// Returns all templates, in the order of the file.
    #[must_use]
    pub fn templates(&self) -> &[Template<W>] {
        &self.templates
    }

    /// Iterates over all templates of one split, in the order of the file.
    pub fn of(&self, families: Families) -> impl Iterator<Item = &Template<W>> {
        self.templates.iter().filter(move |template| template.split == families)
    }

    /// Draws a template of the split `families` for the item of `scene`. Conditions with the same `purpose`, which names
    /// the random draw, and the same split get the same template.
    ///
    /// # Errors
    /// A [`Skip`] when the split has no templates.
    pub fn draw(&self, families: Families, scene: &Scene<'_>, purpose: &str) -> Result<&Template<W>, Skip> {
        let all: Vec<&Template<W>> = self.of(families).collect();
        all.choose(&mut scene.draw(purpose)).copied().ok_or(Skip("no template for this use"))
    }
}

/// Returns `template` with every `{name}` replaced by its value. `gaps` holds pairs of name and value. Values are not
/// searched for gaps, and unknown gaps stay as they are.
#[must_use]
pub fn fill(template: &str, gaps: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, gap) = rest.split_at(open);
        filled.push_str(before);
        let known = gaps.iter().find_map(|(name, value)| {
            let after = gap[1..].strip_prefix(name)?.strip_prefix('}')?;
            Some((*value, after))
        });
        let (value, after) = known.unwrap_or_else(|| gap.split_at(1));
        filled.push_str(value);
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_once_and_strange_braces_stay() {
        let gaps = [("a", "{b}"), ("b", "B")];
        assert_eq!(fill("{a} and {b}, {c} {", &gaps), "{b} and B, {c} {");
        assert_eq!(fill("", &gaps), "");
    }

    #[test]
    fn a_misspelt_key_of_the_words_is_missing() {
        #[derive(Debug, Deserialize)]
        struct Words {
            #[allow(dead_code)]
            say: String,
        }
        let read = |key: &str| {
            let text = format!("version = 1\n[[template]]\nfamily = \"f\"\nsplit = \"training\"\n{key} = \"x\"");
            toml::from_str::<File<Words>>(&text).is_ok()
        };
        assert!(read("say") && !read("sya"));
    }
}
