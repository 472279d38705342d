//! Turns the arguments of a command into keys with values.

use std::sync::Arc;

use super::table::Table;
use super::yaml::{Entry, Yaml, scalar};

/// An argument of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Argument {
    /// A key with its value.
    Key(Entry),
    /// A file of keys, with the line of the argument.
    File(usize, String),
}

/// Reads `--key value`, `--key=value`, `--flag`, `--no_flag`, `key=value` and names of YAML and JSON files, in order.
/// `file` is the path of the script, which becomes the place of each key. Each argument comes with its line. Hyphens in
/// keys become underscores, several values become a list, and a flag without a value becomes true. `--no_flag` sets
/// `flag` to false where the `tables`, which hold the keys of the tools that the command may belong to, have `flag` and
/// not `no_flag`. `--config FILE` names a file with any ending; `--` is skipped. Any other word without a key becomes a
/// key itself, which no table has. Repeated keys are all kept.
pub(super) fn read(file: &Arc<str>, arguments: &[(usize, String)], tables: &[&'static Table]) -> Vec<Argument> {
    let entry = |line: usize, key: &str, value: Yaml| {
        let key = key.trim_start_matches('-').replace('-', "_");
        Argument::Key(Entry { file: file.clone(), line, key, value })
    };
    let known = |key: &str| tables.iter().any(|table| table.meaning(key).is_some());
    let mut found = Vec::new();
    let mut words = arguments.iter().peekable();
    while let Some((line, word)) = words.next() {
        if word == "--" {
            continue;
        }
        if !is_key(word) {
            found.push(match word.split_once('=') {
                Some((key, value)) if !key.is_empty() && !key.contains('/') => entry(*line, key, scalar(value)),
                _ if is_file(word) => Argument::File(*line, word.clone()),
                _ => entry(*line, word, Yaml::Text("an argument without a key".to_owned())),
            });
            continue;
        }
        if let Some((key, value)) = word.split_once('=') {
            found.push(entry(*line, key, Yaml::Text(value.to_owned())));
            continue;
        }
        let mut values = Vec::new();
        while let Some((_, value)) = words.next_if(|(_, next)| !is_key(next)) {
            values.push(Yaml::Text(value.clone()));
        }
        let key = word.trim_start_matches('-').replace('-', "_");
        if key == "config" && values.len() == 1 {
            let path = values.pop().and_then(|value| value.text()).unwrap_or_default();
            found.push(Argument::File(*line, path));
            continue;
        }
        let value = match values.len() {
            0 => Yaml::Flag(true),
            1 => values.remove(0),
            _ => Yaml::List(values),
        };
        found.push(match key.strip_prefix("no_") {
            Some(positive) if value == Yaml::Flag(true) && !known(&key) && known(positive) => {
                entry(*line, positive, Yaml::Flag(false))
            }
            _ => entry(*line, &key, value),
        });
    }
    found
}

/// Whether a word is an option and no negative number.
fn is_key(word: &str) -> bool {
    word.starts_with("--")
        || (word.starts_with('-') && word[1..].starts_with(|first: char| first.is_ascii_alphabetic()))
}

fn is_file(word: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| word.ends_with(end))
}
