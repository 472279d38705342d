//! Reference of all keys and tables, recorded by the code that reads them. Hints, JSON Schema, reference page and
//! commented recipes are made from it.

use indexmap::IndexMap;

use crate::kind::Accepts;

/// Key of a file format, documented by the code that reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Dotted name of its table: `train`, `curriculum.phase`. Empty for the top level.
    pub section: String,
    /// Name of the key.
    pub name: &'static str,
    /// Values that the key accepts.
    pub accepts: Accepts,
    /// Default as TOML, or in words how it is chosen; None when the key has no default.
    pub default: Option<String>,
    /// Help text: the meaning of the key.
    pub help: &'static str,
    /// Whether a file without the key is refused.
    pub required: bool,
}

/// Table of a file format, documented by the code that reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SectionKind {
    /// Whether the table is a list of tables, as in `[[curriculum.phase]]`.
    pub list: bool,
    /// Description of the table; empty when there is none.
    pub about: &'static str,
}

/// All keys and tables of a file format, documented by the code that reads them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reference {
    /// Keys in the order in which they are read.
    pub keys: Vec<Key>,
    /// Tables by dotted name, in the order in which they are read; the top level has the empty name.
    pub sections: IndexMap<String, SectionKind>,
}

impl Reference {
    /// Returns the keys of the table with the dotted name `section`, in the order in which they are read.
    pub fn keys_of(&self, section: &str) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.section == section)
    }

    /// Returns the tables directly inside `section`: dotted name, last part of the name, and description. The empty
    /// `section` is the top level.
    pub fn tables_of<'a>(&'a self, section: &str) -> impl Iterator<Item = (&'a str, &'a str, &'a SectionKind)> {
        let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
        self.sections.iter().filter_map(move |(full, kind)| {
            let name = full.strip_prefix(&prefix).filter(|name| !name.is_empty() && !name.contains('.'))?;
            Some((full.as_str(), name, kind))
        })
    }

    /// Returns whether a table is written with a header, as `[train]` or `[[curriculum.phase]]`. Other tables are
    /// written inline, as `synth = { cases = 8 }`.
    #[must_use]
    pub fn has_header(&self, section: &str) -> bool {
        !section.is_empty()
            && (!section.contains('.') || self.sections.get(section).is_some_and(|section| section.list))
    }

    /// Returns the header of a table: `[train]`, or `[[curriculum.phase]]` for a list of tables. Unknown names get
    /// single brackets.
    #[must_use]
    pub fn header(&self, section: &str) -> String {
        match self.sections.get(section) {
            Some(SectionKind { list: true, .. }) => format!("[[{section}]]"),
            _ => format!("[{section}]"),
        }
    }

    /// Returns the name of a table in messages and pages: `[data]`, `[data] synth`, `[[curriculum.phase]] context`. The
    /// top level, which has no header, gives `[]`.
    pub fn place(&self, section: &str) -> String {
        match section.rsplit_once('.') {
            Some((outer, name)) if !self.has_header(section) => format!("{} {name}", self.header(outer)),
            _ => self.header(section),
        }
    }

    /// Returns the first table before `section` with the same keys, values and defaults, so that a page need not list
    /// them again. None if there is none or `section` has no keys.
    pub fn like(&self, section: &str) -> Option<&str> {
        let facts = |key: &Key| (key.name, key.accepts.clone(), key.default.clone());
        let same = |other: &&str| self.keys_of(section).map(facts).eq(self.keys_of(other).map(facts));
        self.keys_of(section).next()?;
        self.sections.keys().map(String::as_str).take_while(|other| *other != section).find(same)
    }
}

impl Key {
    /// Returns the default as a TOML value; None when there is no default, or it is described in words.
    #[must_use]
    pub fn literal_default(&self) -> Option<toml::Value> {
        let mut table = format!("x = {}", self.default.as_deref()?).parse::<toml::Table>().ok()?;
        table.remove("x")
    }
}
