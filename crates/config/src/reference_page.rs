//! Writes the reference page of recipes, `docs/recipe.md`.

use std::fmt::Write;

use crate::reference::{Key, Reference};
use crate::unknown_keys::ForeignKeys;

impl Reference {
    /// Returns the reference page in Markdown: the text `head`, a table of keys for each section, the names that other
    /// tools use for keys, and the keys of other tools that are not supported, both from `foreign`. A section with the
    /// same keys as an earlier one refers to it.
    #[must_use]
    pub fn markdown(&self, head: &str, foreign: &ForeignKeys) -> String {
        let mut page = head.to_owned();
        for section in self.order("") {
            let title = if section.is_empty() { "Top level".into() } else { format!("`{}`", self.place(section)) };
            let about = self.sections.get(section).map_or("", |section| section.about);
            let _ = write!(page, "\n## {title}\n\n{about}\n");
            match self.like(section) {
                Some(other) => {
                    let _ = write!(page, "\nThe keys are the same as in `{}`.\n", self.place(other));
                }
                None => page.push_str(&rows(self.keys_of(section))),
            }
        }
        page.push_str("\n## Names in other tools\n\n| other tools | Stepwise |\n| --- | --- |\n");
        for (alias, ours) in foreign.keys(&self.keys) {
            let place =
                if ours.section.is_empty() { String::new() } else { format!(" in `{}`", self.place(&ours.section)) };
            let _ = writeln!(page, "| `{alias}` | `{}`{place} |", ours.name);
        }
        page.push_str("\n## Not supported\n\n| key | instead |\n| --- | --- |\n");
        for (name, instead) in foreign.unsupported {
            let _ = writeln!(page, "| `{name}` | {} |", escaped(instead.unwrap_or("")));
        }
        page
    }

    /// `section` and all tables inside it, every table before its inner tables.
    fn order<'a>(&'a self, section: &'a str) -> Vec<&'a str> {
        let inner = self.tables_of(section).flat_map(|(full, ..)| self.order(full));
        std::iter::once(section).chain(inner).collect()
    }
}

/// Returns a Markdown table of `keys` with the columns key, value, default and meaning, after an empty line.
pub fn rows<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
    let head = "\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    keys.fold(head, |table, key| table + &row(key))
}

fn row(key: &Key) -> String {
    let default = match (&key.default, key.literal_default(), key.required) {
        (_, _, true) => "required".to_owned(),
        (Some(default), Some(_), _) => format!("`{}`", escaped(default)),
        (Some(default), None, _) => escaped(default),
        (None, ..) => String::new(),
    };
    format!("| `{}` | {} | {default} | {} |\n", key.name, escaped(&key.accepts.words), escaped(key.help))
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
