//! Writes the reference page of recipes, `docs/recipe.md`.

use std::fmt::Write;

use super::names;
use super::reference::{Key, Reference};

const HEAD: &str = "# Recipe

<!-- Written by `stepwise schema --markdown > docs/recipe.md` from the code that reads recipes; a test compares them. -->

A recipe is a TOML file. Keys have the names and meanings of Hugging Face, PEFT and LLaMA-Factory. Relative paths start at
the working directory. `--set lora.r=32` overrides a value of the file. List elements are numbered from 0, as in
`--set curriculum.phase.0.replay=0.1`. `stepwise init` writes a commented recipe, `stepwise schema` prints the JSON Schema for
editors, `stepwise import` translates recipes of other tools.
";

impl Reference {
    /// The reference page in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = HEAD.to_owned();
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
        for (alias, ours) in names::aliases(&self.keys) {
            let place =
                if ours.section.is_empty() { String::new() } else { format!(" in `{}`", self.place(&ours.section)) };
            let _ = writeln!(page, "| `{alias}` | `{}`{place} |", ours.name);
        }
        page.push_str("\n## Not supported\n\n| key | instead |\n| --- | --- |\n");
        for (name, instead) in names::UNSUPPORTED {
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

/// A Markdown table of keys.
pub(crate) fn rows<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The committed files must equal the output of `stepwise schema`.
    #[test]
    fn the_committed_reference_and_schema_are_those_of_the_code() {
        let reference = crate::recipe::reference();
        let schema = serde_json::to_string_pretty(&reference.json_schema()).expect("JSON") + "\n";
        for (name, now, command) in [
            ("recipe.md", reference.markdown(), "stepwise schema --markdown > docs/recipe.md"),
            ("recipe.schema.json", schema, "stepwise schema > docs/recipe.schema.json"),
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == now, "docs/{name} differs from the code -> run `{command}`");
        }
    }
}
