//! Sheet of a YOLO data set, such as `data.yaml`: class names, sides of the split, licence and version.

use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Yaml};
use stepwise_data::case::Split;
use stepwise_data::io::{bounded, contained};
use stepwise_data::problem::{Problem, Problems};

use super::super::records;
use super::annotated::words;
use super::yolo_sides::{Sides, parts};

/// Usual names, in the order in which they are looked for.
const USUAL: [&str; 3] = ["data.yaml", "data.yml", "dataset.yaml"];

/// Keys of the sides.
const SIDES: [(&str, Split); 3] = [("train", Split::Train), ("val", Split::Validation), ("test", Split::Test)];

/// Contents of a sheet.
pub(super) struct Sheet {
    /// Names of the classes, in the order of their numbers.
    pub(super) classes: Vec<String>,
    /// Images of the sides.
    pub(super) sides: Sides,
    /// Licence, as Roboflow writes it; None when not recorded.
    pub(super) licence: Option<String>,
    /// Version, as Roboflow writes it; None when not recorded.
    pub(super) revision: Option<String>,
}

/// Returns the sheets of a folder: the file with a usual name, else all YAML files with `names`, sorted.
pub(super) fn sheets(source: &Path) -> Vec<PathBuf> {
    let usual = USUAL.iter().map(|name| source.join(name)).find(|path| path.is_file());
    let is_named =
        |path: &PathBuf| bounded::text(path).is_ok_and(|text| first(&text).is_some_and(|sheet| has_names(&sheet)));
    match usual {
        Some(path) => vec![path],
        None if source.is_dir() => records::files(source, &["yaml", "yml"]).into_iter().filter(is_named).collect(),
        None => Vec::new(),
    }
}

fn first(text: &str) -> Option<Yaml<'_>> {
    Yaml::load_from_str(text).ok()?.into_iter().next()
}

fn has_names(sheet: &Yaml<'_>) -> bool {
    sheet.as_mapping_get("names").is_some()
}

/// Returns a text or a number as text; None for other values.
fn scalar(value: &Yaml<'_>) -> Option<String> {
    let number = || value.as_integer().map(|number| number.to_string());
    value
        .as_str()
        .map(str::to_owned)
        .or_else(number)
        .or_else(|| value.as_floating_point().map(|number| number.to_string()))
}

impl Sheet {
    /// Reads the sheet `file` of the data set in the folder `source`.
    ///
    /// # Errors
    /// When the file cannot be read, is no YAML, names no classes, or names a list of images that is not in the folder.
    pub(super) fn read(source: &Path, file: &Path) -> Result<Self, Problems> {
        let advice = "correct the file";
        let text =
            bounded::text(file).map_err(|error| Problem::new(file, format!("cannot be read: {error}"), advice))?;
        let documents =
            Yaml::load_from_str(&text).map_err(|error| Problem::new(file, format!("is no YAML: {error}"), advice))?;
        let missing =
            || Problem::new(file, "is missing", "write names as a list, or as a map from 0 on").in_field("names");
        let sheet = documents.first().ok_or_else(missing)?;
        let roboflow = |key: &str| scalar(sheet.as_mapping_get("roboflow")?.as_mapping_get(key)?);
        let recorded = |key: &str| roboflow(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(Self {
            classes: classes(file, sheet)?,
            sides: sides(source, file, sheet)?,
            licence: recorded("license"),
            revision: recorded("version"),
        })
    }
}

/// Reads the names of the classes, which are a list or a map from 0 on.
fn classes(file: &Path, sheet: &Yaml<'_>) -> Result<Vec<String>, Problems> {
    let advice = "write names as a list, or as a map from 0 on";
    let wrong = |what: &str| Problem::new(file, what, advice).in_field("names");
    let listed = sheet.as_mapping_get("names").ok_or_else(|| wrong("is missing"))?;
    let text = |name: &Yaml<'_>| match name.as_str() {
        Some(text) => Some(text.to_owned()),
        None => name.as_integer().map(|number| number.to_string()),
    };
    let names: Option<Vec<String>> = if let Some(list) = listed.as_vec() {
        list.iter().map(text).collect()
    } else if let Some(map) = listed.as_mapping() {
        let mut named = Vec::new();
        for (key, value) in map {
            named.push((key.as_integer().ok_or_else(|| wrong("a key is no number"))?, text(value)));
        }
        named.sort_by_key(|(key, _)| *key);
        if !named.iter().zip(0..).all(|((key, _), place)| *key == place) {
            return Err(wrong("the numbers of the classes are not 0, 1, 2 and so on").into());
        }
        named.into_iter().map(|(_, name)| name).collect()
    } else {
        None
    };
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| wrong("is no list of names"))?;
    if let Some(count) = sheet.as_mapping_get("nc").and_then(Yaml::as_integer)
        && usize::try_from(count) != Ok(names.len())
    {
        let what = format!("is {count}, but there are {} names", names.len());
        return Err(Problem::new(file, what, advice).in_field("nc").into());
    }
    Ok(names.iter().map(|name| words(name)).collect())
}

/// Reads the sides: each is a folder or a text file with a list of images, or several of them. An entry that an earlier
/// side has is no side of its own: some sheets name the training images as validation images, too.
fn sides(source: &Path, file: &Path, sheet: &Yaml<'_>) -> Result<Sides, Problems> {
    let mut sides = Sides::default();
    let mut seen: Vec<String> = Vec::new();
    for (key, split) in SIDES {
        let Some(value) = sheet.as_mapping_get(key) else { continue };
        let entries: Vec<String> = match value.as_vec() {
            Some(list) => list.iter().filter_map(scalar).collect(),
            None => scalar(value).into_iter().collect(),
        };
        let entries: Vec<String> = entries.into_iter().filter(|entry| !seen.contains(entry)).collect();
        for entry in &entries {
            if records::extension(Path::new(entry)) != "txt" {
                sides.add_folder(split, entry);
                continue;
            }
            let list = list(source, entry).ok_or_else(|| {
                let advice = "add the list to the folder, or remove the entry";
                Problem::new(file, format!("there is no list {entry}"), advice).in_field(key)
            })?;
            let unreadable =
                |error| Problem::new(&list, format!("cannot be read: {error}"), "write one image on each line");
            sides.add_list(split, &list, &bounded::text(&list).map_err(unreadable)?);
        }
        seen.extend(entries);
    }
    Ok(sides)
}

/// Returns the file of a list that a sheet names. Its path may begin outside of the folder, as the path of the data set
/// does, so that its end counts.
fn list(source: &Path, entry: &str) -> Option<PathBuf> {
    let parts = parts(entry);
    let mut ends = (0..parts.len()).map(|start| parts[start..].join("/"));
    ends.find_map(|end| contained::resolve(source, &end).ok().filter(|path| path.is_file()))
}
