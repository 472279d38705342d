//! Presets: the committed recipes, and how one is written with every other key as a comment.

use std::fmt::Write;
use std::path::Path;

use super::reference;
use stepwise_config::document::{Document, Entry, Node, Table, Value};
use stepwise_config::reference::{Key, Reference};

use super::Recipe;

/// Recipe of the folder `recipes/`, compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// File name without its extension, by which the command line selects the preset.
    pub name: &'static str,
    /// Short description for lists, a phrase without a full stop.
    pub about: &'static str,
    /// Text of the recipe, in TOML.
    pub text: &'static str,
}

/// All presets, in the order of lists. The first needs no files besides this repository.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "quickstart",
        about: "LoRA on the shipped tiny base, synthetic cases, minutes on two cores",
        text: include_str!("../../../recipes/quickstart.toml"),
    },
    Preset {
        name: "smolvlm-256m-lora",
        about: "LoRA on SmolVLM-256M-Instruct, on a GPU",
        text: include_str!("../../../recipes/smolvlm-256m-lora.toml"),
    },
    Preset {
        name: "qwen2.5-vl-3b-lora",
        about: "LoRA on Qwen2.5-VL-3B-Instruct",
        text: include_str!("../../../recipes/qwen2.5-vl-3b-lora.toml"),
    },
    Preset {
        name: "qwen3-vl-4b-lora",
        about: "LoRA on Qwen3-VL-4B-Instruct",
        text: include_str!("../../../recipes/qwen3-vl-4b-lora.toml"),
    },
    Preset {
        name: "medgemma-4b-qlora",
        about: "QLoRA on MedGemma-4B-it",
        text: include_str!("../../../recipes/medgemma-4b-qlora.toml"),
    },
    Preset {
        name: "internvl3-2b-lora",
        about: "LoRA on InternVL3-2B, in the form of transformers",
        text: include_str!("../../../recipes/internvl3-2b-lora.toml"),
    },
    Preset {
        name: "llava-1.5-7b-qlora",
        about: "QLoRA on LLaVA-1.5-7B, in the form of transformers",
        text: include_str!("../../../recipes/llava-1.5-7b-qlora.toml"),
    },
    Preset {
        name: "llava-next-7b-qlora",
        about: "QLoRA on LLaVA-NeXT-7B, in the form of transformers",
        text: include_str!("../../../recipes/llava-next-7b-qlora.toml"),
    },
    Preset {
        name: "cxr",
        about: "LoRA on the shipped tiny base, real chest X-rays",
        text: include_str!("../../../recipes/cxr.toml"),
    },
    Preset {
        name: "brain-mri",
        about: "LoRA on the shipped tiny base, real brain MRI slices",
        text: include_str!("../../../recipes/brain-mri.toml"),
    },
    Preset {
        name: "bccd",
        about: "LoRA on the shipped tiny base, real blood smears",
        text: include_str!("../../../recipes/bccd.toml"),
    },
    Preset {
        name: "own-data",
        about: "LoRA on the shipped tiny base, an imported data set with incomplete chains",
        text: include_str!("../../../recipes/own-data.toml"),
    },
    Preset {
        name: "tiny-base",
        about: "full training from random weights on synthetic cases: the first step of the shipped base",
        text: include_str!("../../../recipes/tiny-base.toml"),
    },
];

/// Key that a commented recipe leaves out, so that its default follows the new file's name.
const NAMED_AFTER_THE_FILE: &str = "output_dir";

/// Width of comment lines, in characters.
const WIDTH: usize = 116;

/// Returns the preset as the text of a recipe to edit: its values, and every other key as a comment with its default.
/// `output_dir` is left out, so that it follows the new file's name. None when the preset is not TOML.
#[must_use]
pub fn commented(preset: &Preset) -> Option<String> {
    let Document { sources, mut root } = Document::parse(preset.name.into(), preset.text.into(), &[]).ok()?;
    root.shift_remove(NAMED_AFTER_THE_FILE);
    let reference = reference();
    let source = sources.first().map_or("", |source| source.text.as_str());
    let writer = Writer { reference: &reference, source, preset };
    let mut text = format!("# A recipe for `stepwise train`, from the preset {}: {}.\n#\n", preset.name, preset.about);
    text.push_str(
        "# Keys after a `#` show their defaults. `stepwise check FILE` shows what a run would do and\n\
         # need. For completion in editors: `stepwise schema > recipe.schema.json`, and `#:schema recipe.schema.json` as\n\
         # the first line of this file.\n\n",
    );
    writer.keys(&mut text, "", &root, true);
    for (section, name, _) in reference.tables_of("") {
        let written = root.get(name).map(|entry| &entry.node.value);
        let (empty, table) = (Table::new(), written);
        let table = match table {
            Some(Value::Table(table)) => table,
            _ => &empty,
        };
        let live = written.is_some() || writer.may_have(section);
        let about = reference.sections.get(section).map_or("", |section| section.about);
        let _ = write!(text, "\n{}{}{}\n", comment(about), if live { "" } else { "# " }, reference.header(section));
        writer.keys(&mut text, section, table, true);
        for (inner, name, kind) in reference.tables_of(section) {
            if kind.list {
                writer.list(&mut text, inner, table.get(name));
            }
        }
    }
    Some(text)
}

struct Writer<'a> {
    reference: &'a Reference,
    source: &'a str,
    preset: &'a Preset,
}

impl Writer<'_> {
    /// Whether the preset is still valid with an empty table `section` added.
    fn may_have(&self, section: &str) -> bool {
        let text = format!("{}\n[{section}]\n", self.preset.text);
        Recipe::parse(Path::new("recipe.toml"), text, &[]).is_ok()
    }

    /// Writes the keys of a table. With `all`, keys that are not in the preset are written as comments.
    fn keys(&self, text: &mut String, section: &str, table: &Table, all: bool) {
        let inline = |name: &str| {
            let full = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            let known = self.reference.sections.contains_key(&full) && !self.reference.has_header(&full);
            known.then(|| self.reference.keys_of(&full).map(|key| format!("`{}`", key.name)).collect::<Vec<_>>())
        };
        for key in self.reference.keys_of(section) {
            let written = table.get(key.name);
            if all {
                let inner =
                    inline(key.name).map_or_else(String::new, |keys| format!(" As a table: {}.", keys.join(", ")));
                text.push_str(&comment(&format!("{}{inner}", told(key))));
            }
            match written {
                Some(entry) => self.value(text, key.name, entry),
                None if all => {
                    let default = key.literal_default().and(key.default.as_deref()).unwrap_or_default();
                    let _ = writeln!(text, "{}", format!("# {} = {default}", key.name).trim_end());
                }
                None => {}
            }
        }
        for (full, name, kind) in self.reference.tables_of(section) {
            if self.reference.has_header(full) || self.reference.keys_of(section).any(|key| key.name == name) {
                continue;
            }
            if all {
                let keys = match self.reference.like(full) {
                    Some(other) => format!("as in `{}`", self.reference.place(other)),
                    None => inline(name).unwrap_or_default().join(", "),
                };
                text.push_str(&comment(&format!("{} Keys: {keys}.", kind.about)));
            }
            match table.get(name) {
                Some(entry) => self.value(text, name, entry),
                None if all => {
                    let _ = writeln!(text, "# {name} =");
                }
                None => {}
            }
        }
    }

    fn value(&self, text: &mut String, name: &str, Entry { node, .. }: &Entry) {
        let _ = writeln!(text, "{name} = {}", &self.source[node.at.span.clone()]);
    }

    fn list(&self, text: &mut String, section: &str, written: Option<&Entry>) {
        let header = self.reference.header(section);
        let elements = match written {
            Some(Entry { node: Node { value: Value::List(elements), .. }, .. }) => elements.as_slice(),
            _ => &[],
        };
        let about = self.reference.sections.get(section).map_or("", |section| section.about);
        if elements.is_empty() {
            let _ = write!(text, "\n{}# {header}\n", comment(about));
            self.keys(text, section, &Table::new(), true);
        }
        for (index, element) in elements.iter().enumerate() {
            if let Value::Table(table) = &element.value {
                let about = if index == 0 { comment(about) } else { String::new() };
                let _ = write!(text, "\n{about}{header}\n");
                self.keys(text, section, table, index == 0);
            }
        }
    }
}

/// Comment about a key: help, accepted values, and a default that is described in words.
fn told(key: &Key) -> String {
    let otherwise = match (&key.default, key.literal_default()) {
        (Some(default), None) => format!(" Default: {default}."),
        _ => String::new(),
    };
    let mut accepts = key.accepts.words.chars();
    let accepts = accepts.next().map_or_else(String::new, |first| first.to_uppercase().chain(accepts).collect());
    format!("{} {accepts}.{otherwise}", key.help)
}

/// Returns `words` as comment lines of at most 116 characters, each with its line end; empty for no words.
pub(super) fn comment(words: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH - 2 {
            let _ = writeln!(lines, "# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(lines, "# {line}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Recipe {
        Recipe::parse(Path::new("recipe.toml"), text.to_owned(), &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_committed_recipes_are_the_presets() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).expect("recipes") {
            let path = entry.expect("an entry").path();
            let text = if path.is_file() { std::fs::read_to_string(&path).expect("text") } else { String::new() };
            if text.contains("\nmodel_name_or_path") || text.starts_with("model_name_or_path") {
                let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
                let preset = PRESETS.iter().find(|preset| preset.name == name);
                assert_eq!(preset.map(|preset| preset.text), Some(text.as_str()), "{name}");
                found.push(name);
            }
        }
        assert_eq!(found.len(), PRESETS.len(), "{found:?}");
    }

    #[test]
    fn recipes_of_released_models_say_what_fits_into_24_and_80_gigabytes_and_that_it_is_estimated() {
        let released: Vec<&Preset> = PRESETS.iter().filter(|preset| preset.name.ends_with("lora")).collect();
        assert!(released.len() >= 7);
        for Preset { name, text, .. } in released {
            let lines = text.lines().filter_map(|line| line.strip_prefix('#')).collect::<Vec<_>>().join("");
            for words in [" 24 GB", " 80 GB"] {
                assert!(lines.contains(words), "{name} does not say what{words} are enough for");
            }
            assert!(!lines.contains("CPU only"), "{name}: GPUs compute in bf16 and four bits as well");
            assert!(lines.contains("are not measured"), "{name} does not say where its figures are from");
        }
    }

    #[test]
    fn a_commented_recipe_says_what_its_preset_says_and_names_every_key() {
        for preset in PRESETS {
            let text = commented(preset).expect("TOML");
            let mut wanted = parse(preset.text);
            wanted.output_dir = "checkpoints/recipe".into();
            assert_eq!(parse(&text), wanted, "{}", preset.name);
            for key in &reference().keys {
                let named = [format!("{} =", key.name), format!("`{}`", key.name)];
                assert!(named.iter().any(|name| text.contains(name)), "{}: no {}", preset.name, key.name);
            }
        }
        insta::assert_snapshot!(commented(&PRESETS[0]).expect("TOML"));
    }

    #[test]
    fn a_default_that_is_written_out_changes_nothing() {
        for preset in PRESETS {
            let text = commented(preset).expect("TOML");
            let (wanted, mut tried, mut live) = (parse(&text), 0, true);
            for (number, line) in text.lines().enumerate() {
                let bare = line.strip_prefix("# ").unwrap_or(line);
                if bare.starts_with('[') {
                    live = bare == line;
                }
                let literal = bare.parse::<toml::Table>().is_ok_and(|table| table.len() == 1) && !bare.starts_with('[');
                if live && literal && bare != line {
                    // The same key may be written in several tables.
                    let lines = text.lines().enumerate().map(|(at, line)| if at == number { bare } else { line });
                    let written = lines.collect::<Vec<_>>().join("\n");
                    assert_eq!(parse(&written), wanted, "{}: {bare}", preset.name);
                    tried += 1;
                }
            }
            assert!(tried > 10, "{}: {tried}", preset.name);
        }
    }
}
