//! LLaMA-Factory: the sets of `dataset_info.json` with `formatting: sharegpt`, which also reads `messages` of OpenAI by
//! `columns` and `tags`. Media paths are below the folder of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use stepwise_data::case::Split;
use stepwise_data::io::{bounded, contained};
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::Entry;
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::{Place, Record};
use super::common::{read_all, side_in};
use super::image_cells::images;
use super::turns::{self, Names};

const LIST: &str = "dataset_info.json";

/// LLaMA-Factory.
pub(super) struct LlamaFactory;

/// How a set of the list is read.
struct Set {
    /// Side of the split that the name of the set says; None when it says none.
    split: Option<Split>,
    /// Field of a system prompt.
    system: String,
    messages: String,
    images: String,
    names: Names,
}

impl Format for LlamaFactory {
    fn name(&self) -> &'static str {
        "llama-factory"
    }

    fn about(&self) -> &'static str {
        "ShareGPT and messages sets of LLaMA-Factory (dataset_info.json)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        vec![Mark::new(LIST, source.join(LIST).is_file())]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let list = source.join(LIST);
        let failed = |what: String| Problem::new(&list, what, "correct the file");
        let text = bounded::text(&list).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let sets: serde_json::Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| failed(format!("is no JSON object: {error}")))?;
        let mut files = Vec::new();
        let mut others = Vec::new();
        for ((name, set), row) in sets.iter().zip(1..) {
            let place = Place { file: Arc::from(list.as_path()), row };
            match read(source, &place, name, set) {
                Ok(found) => files.push(found),
                Err(entry) => others.push(*entry),
            }
        }
        let root = source.to_owned();
        let Rows(read) = read_all(source, files, move |record, set| entry(record, set, &root))?;
        Ok(Rows::new(others.into_iter().chain(read)))
    }
}

/// Reads the entry `name` of the list. An entry that gives no rows is left out with the reason, or is faulty.
fn read(source: &Path, place: &Place, name: &str, set: &Value) -> Result<(PathBuf, Set), Box<Entry>> {
    let text = |path: &[&str]| {
        let found = path.iter().try_fold(set, |value, key| value.get(*key))?;
        found.as_str().map(str::to_owned)
    };
    let left_out = |why: &str| Box::new(Entry::LeftOut(place.clone(), format!("the set {name} {why}")));
    let images = text(&["columns", "images"]).ok_or_else(|| left_out("has no column of images"))?;
    let file =
        text(&["file_name"]).ok_or_else(|| left_out("has no file_name: it is on a hub, and nothing is fetched"))?;
    if text(&["formatting"]).as_deref() != Some("sharegpt") {
        return Err(left_out("has another formatting than sharegpt"));
    }
    let path = contained::resolve(source, &file).map_err(|error| {
        let message = error.to_string();
        let (what, advice) = message.split_once(" -> ").unwrap_or((&message, "correct the path"));
        Box::new(Entry::Faulty(place.problem(&format!("{name}.file_name"), what, advice)))
    })?;
    let tag = |key: &str, default: &str| text(&["tags", key]).unwrap_or_else(|| default.to_owned());
    let names = Names {
        role: tag("role_tag", "from"),
        content: tag("content_tag", "value"),
        user: tag("user_tag", "human"),
        assistant: tag("assistant_tag", "gpt"),
        system: tag("system_tag", "system"),
        is_verbatim: true,
    };
    let messages = text(&["columns", "messages"]).unwrap_or_else(|| "conversations".to_owned());
    let system = text(&["columns", "system"]).unwrap_or_else(|| "system".to_owned());
    Ok((path, Set { split: side_in(name), system, messages, images, names }))
}

fn entry(record: &Record, set: &Set, root: &Path) -> Result<Entry, Problems> {
    let (_, images) = images(record, &[&set.images], root, &[""]);
    let mut entry = turns::entry(record, &set.messages, &set.names, images, &[])?;
    if let Entry::Row(row) = &mut entry {
        row.split = set.split;
        row.remarks.extend(turns::system_prompt(&record.trimmed(&set.system)));
    }
    Ok(entry)
}
