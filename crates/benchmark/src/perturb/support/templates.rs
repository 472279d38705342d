//! Sentences as data: families of templates, each family for one use: training, choosing, or the last word.

use rand::seq::IndexedRandom;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::perturb::{Scene, Skip};

/// The parameter of every kind that has words of its own: the use they are drawn for.
pub const FAMILIES: &str = "families";

/// What a template may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Families {
    /// May be trained against.
    Training,
    /// Asked after every epoch: checkpoints are chosen by them.
    Validation,
    /// Neither trained against nor chosen by.
    #[default]
    HeldOut,
}

impl Families {
    /// Every use.
    pub const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::HeldOut];

    /// As a file names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::HeldOut => "held_out",
        }
    }
}

/// One way to say what `W` holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Template<W> {
    /// Templates of one family say the same in similar words.
    pub family: String,
    /// What the family may be used for.
    pub split: Families,
    /// The words, with their gaps.
    #[serde(flatten)]
    pub words: W,
}

/// The templates of one file.
#[derive(Clone, Debug)]
pub struct Library<W> {
    templates: Vec<Template<W>>,
}

/// Which templates a condition draws from; the parameters of every kind that has no others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wording {
    /// The use its families are for.
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
    /// Reads a file that is part of the program.
    ///
    /// # Panics
    /// When it is no template file. Each such file is read by a test.
    #[must_use]
    pub fn built_in(toml: &str) -> Self {
        let file: File<W> = toml::from_str(toml).expect("the built-in templates are read by a test");
        Self { templates: file.template }
    }
}

impl<W> Library<W> {
    /// All templates.
    #[must_use]
    pub fn templates(&self) -> &[Template<W>] {
        &self.templates
    }

    /// The words for one use.
    pub fn of(&self, families: Families) -> impl Iterator<Item = &W> {
        self.templates.iter().filter(move |template| template.split == families).map(|template| &template.words)
    }

    /// The words drawn for one item: the same for every condition that draws for the same `purpose`.
    ///
    /// # Errors
    /// When there are none for this use.
    pub fn draw(&self, families: Families, scene: &Scene<'_>, purpose: &str) -> Result<&W, Skip> {
        let all: Vec<&W> = self.of(families).collect();
        all.choose(&mut scene.draw(purpose)).copied().ok_or(Skip("no template for this use"))
    }
}

/// `template` with every `{name}` replaced by its value. What is filled in is not searched for gaps again.
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

/// Checks that `library` serves training and the last word with at least two families each and choosing with one, none of
/// them for two uses.
#[cfg(test)]
pub(crate) fn assert_split<W>(library: &Library<W>) {
    for families in Families::ALL {
        let names: std::collections::BTreeSet<&str> = library
            .templates
            .iter()
            .filter(|template| template.split == families)
            .map(|template| template.family.as_str())
            .collect();
        let least = if families == Families::Validation { 1 } else { 2 };
        assert!(names.len() >= least, "{families:?}: {names:?}");
    }
    for template in &library.templates {
        let mut uses = library.templates.iter().filter(|other| other.family == template.family);
        assert!(uses.all(|other| other.split == template.split), "{}", template.family);
    }
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
