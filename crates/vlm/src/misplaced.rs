//! Paths that are given as a model or an adapter and hold something else: nothing (a hub id), a GGUF or pickle file, an
//! adapter in place of a model. The error says what is there and what to name instead.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use crate::fault::Fault;

/// What a path should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Folder of a model.
    Model,
    /// Folder of a PEFT adapter.
    Adapter,
    /// Run, checkpoint, PEFT folder or model folder.
    Source,
}

impl Wanted {
    /// Files of which one marks a folder of this kind.
    const fn markers(self) -> &'static [&'static str] {
        match self {
            Self::Model => &["config.json"],
            Self::Adapter => &["adapter_config.json"],
            Self::Source => &["recipe.resolved.toml", "adapter_config.json", "config.json"],
        }
    }

    /// Contents of such a folder.
    const fn contents(self) -> &'static str {
        match self {
            Self::Model => "a Hugging Face folder with config.json, tokenizer.json and model.safetensors",
            Self::Adapter => "a folder that PEFT saved, with adapter_config.json and adapter_model.safetensors",
            Self::Source => "a folder with recipe.resolved.toml, adapter_config.json or config.json",
        }
    }
}

/// Describes what is at `path`, which is not a folder of the kind `wanted`.
#[must_use]
pub fn misplaced(path: &Path, wanted: Wanted) -> Fault {
    let (problem, advice) = if is_gguf(path) {
        (GGUF.to_owned(), original(wanted))
    } else if path.is_dir() {
        folder(path, wanted)
    } else if path.exists() {
        file(path, wanted)
    } else {
        absent(&path.display().to_string(), wanted)
    };
    Fault::new(path, problem, advice)
}

const GGUF: &str = "GGUF files are not read";

/// Endings of files that hold weights and are not read. The files of the first list are pickles.
const PICKLES: [&str; 5] = ["bin", "ckpt", "pkl", "pt", "pth"];
const OTHERS: [&str; 6] = ["gguf", "h5", "msgpack", "npz", "onnx", "tflite"];

fn original(wanted: Wanted) -> String {
    format!("name the original folder, from which the file was converted: {}", wanted.contents())
}

fn ending(path: &Path) -> String {
    path.extension().map_or_else(String::new, |ending| ending.to_string_lossy().to_lowercase())
}

fn is_gguf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let mut read = || fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok();
    !path.is_dir() && (ending(path) == "gguf" || (path.is_file() && read() && magic == *b"GGUF"))
}

fn absent(path: &str, wanted: Wanted) -> (String, String) {
    let contents = wanted.contents();
    if path.contains("://") {
        let problem = "this is a web address, and nothing is downloaded".to_owned();
        return (problem, format!("download the folder first, and name it: {contents}"));
    }
    if is_hub_id(path) {
        let problem = "there is no such folder. A hub id is not enough: nothing is downloaded".to_owned();
        let download = format!("download it first, with `hf download {path} --local-dir DIR`, and name DIR");
        return (problem, format!("{download}: {contents}"));
    }
    let problem = "there is no such folder, and nothing is downloaded".to_owned();
    (problem, format!("correct the path: it must be {contents}"))
}

/// Whether an absent path has the form `OWNER/NAME` of an id on the Hugging Face hub.
fn is_hub_id(path: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char))
    };
    path.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name) && !Path::new(owner).exists())
}

fn file(path: &Path, wanted: Wanted) -> (String, String) {
    let holder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = format!("name the folder that holds it, {}: {}", holder.display(), wanted.contents());
    match ending(path).as_str() {
        ending if PICKLES.contains(&ending) => (PICKLE.to_owned(), convert(wanted, path)),
        ending if OTHERS.contains(&ending) => ("weights in this format are not read".to_owned(), original(wanted)),
        "safetensors" => ("this is a file of weights, and a folder is expected".to_owned(), beside),
        "zip" | "gz" | "tgz" | "tar" | "zst" | "7z" => {
            ("this is an archive, and a folder is expected".to_owned(), "unpack it, and name the folder".to_owned())
        }
        _ => ("this is a file, and a folder is expected".to_owned(), beside),
    }
}

const PICKLE: &str = "pickled PyTorch files are not read, because reading one can run code";

/// How to convert the pickled weights `file` to safetensors.
fn convert(wanted: Wanted, file: &Path) -> String {
    let holder = file.parent().unwrap_or(file).display();
    match wanted {
        Wanted::Adapter => format!(
            "convert to safetensors in Python: `safetensors.torch.save_file(torch.load(\"{}\", weights_only=True), \
             \"{}\")`",
            file.display(),
            file.with_extension("safetensors").display()
        ),
        Wanted::Model | Wanted::Source => format!(
            "convert to safetensors in Python: `transformers.AutoModelForImageTextToText.from_pretrained(\"{holder}\")\
             .save_pretrained(\"NEW\")`, and copy the files of tokenizer and processor beside them"
        ),
    }
}

fn folder(path: &Path, wanted: Wanted) -> (String, String) {
    let has = |name: &str| path.join(name).is_file();
    let name = |name: &str| path.join(name).display().to_string();
    if wanted != Wanted::Source && has("recipe.resolved.toml") {
        let problem = "this is the folder of a run".to_owned();
        return (problem, format!("name one of its checkpoints, such as {}", name("best")));
    }
    if wanted == Wanted::Model && has("adapter_config.json") {
        let problem = "this is a PEFT adapter, and a whole model is expected".to_owned();
        let advice = "name its base model here, and the adapter as `adapter_name_or_path` or `--adapter`".to_owned();
        return (problem, advice);
    }
    if wanted == Wanted::Adapter && has("config.json") {
        let problem = "this is a whole model, and a PEFT adapter is expected".to_owned();
        return (problem, "name it as the model, `model_name_or_path`".to_owned());
    }
    let inside = |below: &Path| {
        let mut folders: Vec<_> = names(below).into_iter().map(|name| below.join(name)).collect();
        folders.retain(|folder| wanted.markers().iter().any(|marker| folder.join(marker).is_file()));
        folders
    };
    // The hub's cache keeps every revision of a model in a folder of `snapshots`.
    if let [folder, ..] = [inside(&path.join("snapshots")), inside(path)].concat().as_slice() {
        let problem = format!("no {} here, but in a folder inside", wanted.markers().join(" or "));
        return (problem, format!("name {}", folder.display()));
    }
    if let Some(found) = other_weights(path, wanted) {
        return found;
    }
    let problem = match wanted {
        Wanted::Source => "neither a run, a checkpoint, a PEFT folder nor a model folder".to_owned(),
        Wanted::Model | Wanted::Adapter => format!("no {} found", wanted.markers().join(" or ")),
    };
    (problem, format!("name {}", wanted.contents()))
}

/// Returns a problem and advice if `folder` holds weights in a format that is not read.
pub(crate) fn other_weights(folder: &Path, wanted: Wanted) -> Option<(String, String)> {
    let weights = |endings: &[&str]| {
        let names = names(folder).into_iter();
        // transformers' Trainer writes its arguments and the optimiser's state in this form too.
        let mut names = names.filter(|name| !["training_args.bin", "optimizer.pt", "scheduler.pt"].contains(&&**name));
        names.find(|name| endings.contains(&&*ending(Path::new(name))))
    };
    if let Some(name) = weights(&PICKLES) {
        return Some((format!("the weights are in {name}, and {PICKLE}"), convert(wanted, &folder.join(name))));
    }
    let name = weights(&OTHERS)?;
    Some((format!("the weights are in {name}, and weights in this format are not read"), original(wanted)))
}

/// Names in a folder, sorted; empty if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests;
