//! What a recipe may hold, noted by the code that reads it: the one source of hints, JSON Schema, reference page and
//! commented recipe.

use indexmap::IndexMap;

use crate::kind::Accepts;

/// One key a recipe may hold, as documented by the code that reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The table it stands in, empty for the top level: `train`, `curriculum.phase`.
    pub section: String,
    /// Its name.
    pub name: &'static str,
    /// What may be written.
    pub accepts: Accepts,
    /// What holds when it is left out, as TOML, or a word on how it is chosen; nothing when it stays unset.
    pub default: Option<String>,
    /// What it does.
    pub help: &'static str,
    /// Whether a recipe must have it.
    pub required: bool,
}

/// One table a recipe may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SectionKind {
    /// Whether it may be written several times, as in `[[curriculum.phase]]`.
    pub list: bool,
    /// What it is about.
    pub about: &'static str,
}

/// Every key and every table there is, documented by the code that reads them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reference {
    /// In the order they are read.
    pub keys: Vec<Key>,
    /// By dotted name, the top level's empty.
    pub sections: IndexMap<String, SectionKind>,
}

impl Reference {
    /// Keys of the table called `section`, in order.
    pub fn keys_of(&self, section: &str) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.section == section)
    }

    /// Tables directly inside the one called `section`: dotted name, last name, what they are.
    pub fn tables_of<'a>(&'a self, section: &str) -> impl Iterator<Item = (&'a str, &'a str, &'a SectionKind)> {
        let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
        self.sections.iter().filter_map(move |(full, kind)| {
            let name = full.strip_prefix(&prefix).filter(|name| !name.is_empty() && !name.contains('.'))?;
            Some((full.as_str(), name, kind))
        })
    }

    /// Whether a table has a header of its own, `[train]`; the others are written inline, `synth = { cases = 8 }`.
    #[must_use]
    pub fn has_header(&self, section: &str) -> bool {
        !section.is_empty()
            && (!section.contains('.') || self.sections.get(section).is_some_and(|section| section.list))
    }

    /// The header as it is written.
    #[must_use]
    pub fn header(&self, section: &str) -> String {
        match self.sections.get(section) {
            Some(SectionKind { list: true, .. }) => format!("[[{section}]]"),
            _ => format!("[{section}]"),
        }
    }

    /// How a table is written: `[data]`, `[data] synth`, `[[curriculum.phase]] context`.
    pub fn place(&self, section: &str) -> String {
        match section.rsplit_once('.') {
            Some((outer, name)) if !self.has_header(section) => format!("{} {name}", self.header(outer)),
            _ => self.header(section),
        }
    }

    /// An earlier table with the same keys.
    pub fn like(&self, section: &str) -> Option<&str> {
        let facts = |key: &Key| (key.name, key.accepts.clone(), key.default.clone());
        let same = |other: &&str| self.keys_of(section).map(facts).eq(self.keys_of(other).map(facts));
        self.keys_of(section).next()?;
        self.sections.keys().map(String::as_str).take_while(|other| *other != section).find(same)
    }
}

impl Key {
    /// The default as a value, where it is one and no word on how it is chosen.
    #[must_use]
    pub fn literal_default(&self) -> Option<toml::Value> {
        let mut table = format!("x = {}", self.default.as_deref()?).parse::<toml::Table>().ok()?;
        table.remove("x")
    }
}
