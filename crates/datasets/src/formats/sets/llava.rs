//! LLaVA and LLaVA-Med: JSON with `image` and `conversations` (also spelt `conversatons`) of `human` and `gpt`, and other
//! ShareGPT files. Rows without an image are left out.

use std::path::{Path, PathBuf};

use stepwise_data::problem::Problems;

use super::super::entry::Entry;
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::super::records;
use super::common::{folder_of, nothing_to_read, read_all};
use super::image_cells::images;
use super::turns::{self, Names};

/// Both spellings of the field with the turns; LLaVA-Med has the second one.
const TURNS: [&str; 2] = ["conversations", "conversatons"];

/// LLaVA and LLaVA-Med.
pub(super) struct Llava;

impl Format for Llava {
    fn name(&self) -> &'static str {
        "llava"
    }

    fn about(&self) -> &'static str {
        "LLaVA, LLaVA-Med and ShareGPT conversations (JSON with image and conversations)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let files = files(source);
        let named = files.first().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        let file = named.unwrap_or_else(|| "JSON file".to_owned());
        let has_list = source.join("dataset_info.json").is_file();
        vec![
            Mark::new(format!("{file} with conversations or conversatons"), !files.is_empty()),
            Mark::common("no dataset_info.json", !has_list),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files: Vec<(PathBuf, ())> = files(source).into_iter().map(|file| (file, ())).collect();
        if files.is_empty() {
            return Err(nothing_to_read(source, "JSON file with conversations"));
        }
        let root = folder_of(source);
        read_all(source, files, move |record, ()| entry(record, &root))
    }
}

fn files(source: &Path) -> Vec<PathBuf> {
    let has =
        |path: &PathBuf| records::first(path).is_some_and(|fields| TURNS.iter().any(|name| fields.contains_key(*name)));
    records::files(source, &["json", "jsonl"]).into_iter().filter(has).collect()
}

fn entry(record: &Record, root: &Path) -> Result<Entry, Problems> {
    let field = TURNS.into_iter().find(|name| record.fields.contains_key(*name)).unwrap_or(TURNS[0]);
    let (_, images) = images(record, &["image", "images"], root, &["", "images"]);
    // `domain` is an object of flags; a map can compare the one that is set.
    let mut flat = record.clone();
    if let Some(domain) = record.fields.get("domain").and_then(|value| value.as_object()) {
        let set = domain.iter().find(|(_, value)| value.as_bool() == Some(true)).map(|(name, _)| name.clone());
        flat.fields.insert("domain".into(), set.unwrap_or_default().into());
    }
    turns::entry(&flat, field, &Names::sharegpt(), images, &["domain"])
}
