//! The command that converts the data set of another tool's recipe to cases.

use std::path::Path;

use super::tool::Tool;
use super::yaml::{Entry, Yaml};

/// Extensions of data files that ms-swift and TRL read.
const FILES: [&str; 5] = ["jsonl", "json", "csv", "parquet", "txt"];

/// Returns a note for each data set that the recipe names: the command that converts it, or that it must be downloaded
/// first. Empty for tools whose data sets no command converts, and for recipes without one.
pub(super) fn notes(tool: Tool, entries: &[Entry]) -> Vec<String> {
    let value = |key: &str| {
        let entry = entries.iter().rev().find(|entry| entry.key == key)?;
        Some(&entry.value).filter(|value| value.unresolved().is_none())
    };
    let texts = |key: &str| value(key).and_then(Yaml::list).unwrap_or_default();
    match tool {
        Tool::LlamaFactory => {
            let names = [texts("dataset"), texts("eval_dataset")].concat();
            let folder = value("dataset_dir").and_then(Yaml::text).unwrap_or_else(|| "data".to_owned());
            if names.is_empty() {
                return Vec::new();
            }
            let names = names.join(", ");
            if folder == "ONLINE" || folder.starts_with("REMOTE:") {
                return vec![format!(
                    "data set {names}: it is on a hub -> download it, then {}",
                    command("auto", "FOLDER")
                )];
            }
            let all = "all sets of the folder are converted, each to the side that its name says";
            vec![format!("data set {names}: convert it with {}; {all}", command("llama-factory", &folder))]
        }
        Tool::MsSwift | Tool::MegatronSwift => {
            let names = [texts("dataset"), texts("val_dataset")].concat();
            names.iter().map(|name| local(name, "ms-swift")).collect()
        }
        Tool::Trl => texts("dataset_name").iter().map(|name| local(name, "trl")).collect(),
        Tool::LlamaFactoryV1 | Tool::Axolotl => Vec::new(),
    }
}

/// Returns the note on a data set that is a file, a folder or a name on a hub, as in `data/train.jsonl#500`.
fn local(name: &str, format: &str) -> String {
    let path = name.split('#').next().unwrap_or_default();
    let extension = Path::new(path).extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_path = FILES.contains(&extension.as_str()) || path.starts_with(['/', '.', '~']);
    if is_path {
        return format!("data set {name}: convert it with {}", command(format, path));
    }
    format!(
        "data set {name}: it is on a hub, unless a folder has this name -> download it, then {}",
        command("auto", "FOLDER")
    )
}

/// Returns the command that converts `source`.
fn command(format: &str, source: &str) -> String {
    let name = Path::new(source).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let out = if source == "FOLDER" { "OUT".to_owned() } else { format!("cases/{name}") };
    let quoted = if source.contains(char::is_whitespace) { format!("\"{source}\"") } else { source.to_owned() };
    format!("`stepwise data import {format} {quoted} {out} --rest ID` (ID: a category of `stepwise schema --taxonomy`)")
}

#[cfg(test)]
mod tests {
    use super::super::{Request, convert};
    use super::*;

    fn noted(tool: Tool, text: &str) -> String {
        let request = Request { from: Some(tool), ..Request::default() };
        let converted = convert(Path::new("r.yaml"), text, &request).unwrap_or_else(|error| panic!("{error}"));
        converted.notes.into_iter().filter(|note| note.starts_with("data set")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_data_set_of_a_recipe_has_a_command() {
        let head = "model_name_or_path: m\nstage: sft\ndo_train: true\nfinetuning_type: lora\n";
        let said = noted(Tool::LlamaFactory, &format!("{head}dataset: a,b\ndataset_dir: sets/mine\n"));
        assert!(
            said.starts_with("data set a, b: convert it with `stepwise data import llama-factory sets/mine cases/mine"),
            "{said}"
        );
        assert!(noted(Tool::LlamaFactory, &format!("{head}dataset: a\n")).contains("llama-factory data cases/data"));
        assert!(noted(Tool::LlamaFactory, &format!("{head}dataset: a\ndataset_dir: ONLINE\n")).contains("on a hub"));
        assert_eq!(noted(Tool::LlamaFactory, head), "");
        let both = noted(Tool::LlamaFactory, &format!("{head}dataset: a\neval_dataset: b\n"));
        assert!(both.starts_with("data set a, b: "), "{both}");
        let head = "model: m\ntrain_type: lora\ntorch_dtype: bfloat16\n";
        let said = noted(Tool::MsSwift, &format!("{head}dataset: x/train.jsonl\nval_dataset: x/val.jsonl\n"));
        assert!(said.contains("ms-swift x/train.jsonl cases/train"), "{said}");
        assert!(said.contains("ms-swift x/val.jsonl cases/val"), "{said}");
        let said = noted(Tool::MsSwift, &format!("{head}dataset:\n- x/train.jsonl#500\n- AI-ModelScope/LaTeX_OCR\n"));
        assert!(said.contains("ms-swift x/train.jsonl cases/train"), "{said}");
        assert!(said.contains("data set AI-ModelScope/LaTeX_OCR: it is on a hub"), "{said}");
    }
}
