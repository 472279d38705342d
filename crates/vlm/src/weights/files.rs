//! Choice of the files that hold the weights of a model folder, the same choice as transformers makes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stepwise_data::io::bounded;

use crate::fault::Fault;
use crate::json_file::parse;
use crate::misplaced::{Wanted, other_weights};

/// File of a whole model.
const WHOLE: &str = "model.safetensors";
/// File that maps tensor names to shards.
const INDEX: &str = "model.safetensors.index.json";

/// Returns the safetensors files that hold the weights of `folder`, as `from_pretrained` of transformers 5.23 chooses
/// them: the file or index named by `transformers_weights` of `config.json`; otherwise `model.safetensors`, even beside
/// an index; otherwise the shards listed in `model.safetensors.index.json`.
///
/// # Errors
/// When there are no such files, or the index is malformed, names a file outside the folder, or names an absent file.
pub(super) fn of_model(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    if let Some(named) = named_by_config(folder)? {
        return if named.ends_with(".index.json") { shards(folder, &named) } else { Ok(vec![folder.join(named)]) };
    }
    if folder.join(WHOLE).is_file() {
        return Ok(vec![folder.join(WHOLE)]);
    }
    if folder.join(INDEX).is_file() {
        return shards(folder, INDEX);
    }
    let (problem, advice) = other_weights(folder, Wanted::Model).unwrap_or_else(|| {
        let problem = format!("no weights found, neither {WHOLE} nor {INDEX} with its shards");
        (problem, "download the complete model folder".to_owned())
    });
    Err(Fault::new(folder, problem, advice))
}

/// Returns the names of the weight files that `folder` lacks: the file of a whole model if no index stands in its place, or
/// the shards of the index that are absent. Empty if none is missing, or if the choice of [`of_model`] fails for another
/// reason.
pub(super) fn absent(folder: &Path) -> Vec<String> {
    if folder.join(WHOLE).is_file() || !matches!(named_by_config(folder), Ok(None)) {
        return Vec::new();
    }
    if !folder.join(INDEX).is_file() {
        return vec![WHOLE.to_owned()];
    }
    let index = bounded::text(&folder.join(INDEX)).ok().and_then(|text| parse(&text).ok());
    let map = index.as_ref().and_then(|index: &Value| index.get("weight_map")?.as_object());
    let shards: BTreeSet<&str> = map.into_iter().flat_map(|map| map.values()).filter_map(Value::as_str).collect();
    shards.into_iter().filter(|shard| !folder.join(shard).is_file()).map(str::to_owned).collect()
}

/// Returns `transformers_weights` of `config.json`; `None` if it is not set. The model's reader reports a `config.json`
/// that is missing or malformed.
fn named_by_config(folder: &Path) -> Result<Option<String>, Fault> {
    let path = folder.join("config.json");
    let config = bounded::text(&path).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let stated = config.as_ref().and_then(|config| config.get("transformers_weights")).filter(|name| !name.is_null());
    let Some(stated) = stated else { return Ok(None) };
    let name = stated.as_str().filter(|name| is_file_name(name));
    match name.filter(|name| name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json")) {
        Some(name) if folder.join(name).is_file() => Ok(Some(name.to_owned())),
        Some(name) => Err(Fault::new(
            &path,
            format!("transformers_weights is {name:?}, and this file is absent"),
            "copy or download the file, or remove the field",
        )),
        None => Err(Fault::new(
            &path,
            format!("transformers_weights is {stated}, which is not a file name"),
            "write the name of a safetensors file or index in the same folder",
        )),
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.')
}

/// Returns the files that the index `name` lists, each once, in order of their first tensor.
fn shards(folder: &Path, name: &str) -> Result<Vec<PathBuf>, Fault> {
    let index = folder.join(name);
    let again = "copy or download the file again";
    let text = bounded::text(&index).map_err(|error| Fault::new(&index, error, again))?;
    let json: Value = parse(&text).map_err(|error| Fault::new(&index, error, again))?;
    let map = json.get("weight_map").and_then(Value::as_object).filter(|map| !map.is_empty()).ok_or_else(|| {
        let problem = "weight_map is missing or empty, the map from tensor names to shards";
        Fault::new(&index, problem, "download the index again")
    })?;
    let mut shards: Vec<PathBuf> = Vec::new();
    for (tensor, shard) in map {
        let Some(name) = shard.as_str().filter(|name| is_file_name(name)) else {
            return Err(Fault::new(
                &index,
                format!("weight_map.{tensor} is {shard}, not a file name"),
                "write the name of a shard in the same folder",
            ));
        };
        let path = folder.join(name);
        if shards.contains(&path) {
            continue;
        }
        if !path.is_file() {
            return Err(Fault::new(
                &index,
                format!("the shard {name}, which should hold {tensor}, is absent"),
                "copy or download the missing shard, or the index that belongs to the files of this folder",
            ));
        }
        shards.push(path);
    }
    Ok(shards)
}
