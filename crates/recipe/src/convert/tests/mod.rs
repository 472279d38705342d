//! Tests of whole translated files, of refusals, and of rules that hold for every file.

mod freezing;
mod packing;
mod refusals;
mod rules;
mod scripts;
mod variables;

use std::io;
use std::path::Path;

use super::*;

/// Files in `files/`: the name and the text of each.
macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("files/", $name)))),*] };
}

pub(super) const FILES: &[(&str, &str)] = files![
    "axolotl_full.yml",
    "axolotl_lora.yml",
    "axolotl_qlora.yml",
    "llama_factory.sh",
    "llama_factory_lora.yaml",
    "llama_factory_steps.yaml",
    "llama_factory_v1.yaml",
    "megatron_swift.sh",
    "ms_swift.sh",
    "ms_swift.yaml",
    "trl.sh",
    "trl.yaml",
    "trl_full.yaml",
];

/// Reads the files of [`FILES`] by name.
pub(super) fn read(name: &str) -> io::Result<String> {
    let file = FILES.iter().find(|(known, _)| *known == name);
    file.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::Error::other("no such file"))
}

pub(super) fn with_files() -> Request<'static> {
    Request { read: &read, ..Request::default() }
}

pub(super) fn shown(name: &str, text: &str, request: &Request<'_>) -> String {
    match convert(Path::new(name), text, request) {
        Err(error) => format!("error: {error}\n"),
        Ok(Converted { tool, recipe, keys, notes }) => {
            let mut said = format!("{}\n", tool.name());
            for Translated { place, key, fate } in keys {
                let fate = match fate {
                    Fate::Carried => continue,
                    Fate::Ignored(why) => format!("ignored: {why}"),
                    Fate::Left(why) => format!("left: {why}"),
                    Fate::Unknown(why) => format!("unknown: {why}"),
                    Fate::Unset => "without a value".to_owned(),
                };
                said.push_str(&format!("{place}: {key}: {fate}\n"));
            }
            notes.iter().for_each(|note| said.push_str(&format!("note: {note}\n")));
            said + "---\n" + &recipe
        }
    }
}

#[test]
fn whole_files() {
    for (name, text) in FILES {
        insta::assert_snapshot!(*name, shown(name, text, &with_files()));
    }
}

/// The numbers of the issue: 226 steps there, and 12 here when cases are taken for conversations.
#[test]
fn questions_of_the_data_decide_the_batch() {
    let mut said = String::new();
    let questions = |cases, questions| Some(("data/cxr", Questions { cases, questions }));
    for (name, data) in [
        ("llama_factory_lora.yaml", questions(32, 602)),
        ("llama_factory_lora.yaml", questions(1000, 4000)),
        ("megatron_swift.sh", questions(1000, 4000)),
        ("llama_factory_steps.yaml", questions(100, 400)),
    ] {
        let text = read(name).expect("a file");
        let found = convert(Path::new(name), &text, &Request { data, ..with_files() }).expect("a recipe");
        let train = found.recipe.lines().filter(|line| {
            ["per_device", "gradient_acc", "num_train_epochs", "dataset"].iter().any(|key| line.starts_with(key))
        });
        said.push_str(&format!("{name}\n{}\n", found.notes.join("\n")));
        train.for_each(|line| said.push_str(&format!("{line}\n")));
    }
    insta::assert_snapshot!(said);
}
