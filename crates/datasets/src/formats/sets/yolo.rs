//! YOLO boxes (Ultralytics and Roboflow): `images/` and `labels/` with equal names, sides of the split as folders, class
//! names in `data.yaml`. An empty label file is an image without findings; an image without a label file is unknown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphyr::{LoadableYamlNode as _, Yaml};
use stepwise_data::io::bounded;
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::{Entry, ImageRef, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Place;
use super::super::records::extension;
use super::annotated::{ClassBox, Known, row, words};
use super::common::{nothing_to_read, side};

/// How deep folders are searched for `images/`.
const DEEPEST: usize = 4;

/// YOLO.
pub(super) struct Yolo;

impl Format for Yolo {
    fn name(&self) -> &'static str {
        "yolo"
    }

    fn about(&self) -> &'static str {
        "YOLO boxes of Ultralytics and Roboflow (data.yaml, images/, labels/)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let found = images(source);
        let labels = found.iter().any(|image| label_file(image).is_some_and(|file| source.join(file).is_file()));
        vec![
            Mark::new("data.yaml with names", names_file(source).is_some()),
            Mark::common("images/ with PNG or JPEG files", !found.is_empty()),
            Mark::new("labels/ with text files of the same names", labels),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/annotations.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let file =
            names_file(source).ok_or_else(|| nothing_to_read(source, "data.yaml with the names of the classes"))?;
        let classes = names(&file)?;
        let root = source.to_owned();
        let images = images(source);
        if images.is_empty() {
            return Err(nothing_to_read(source, "folder images/ with PNG or JPEG files"));
        }
        Ok(Rows::new(images.into_iter().map(move |image| entry(&root, &image, &classes).unwrap_or_else(Entry::Faulty))))
    }
}

fn names_file(source: &Path) -> Option<PathBuf> {
    ["data.yaml", "data.yml", "dataset.yaml"].iter().map(|name| source.join(name)).find(|path| path.is_file())
}

/// Reads the names of the classes, which are a list or a map from 0 on.
fn names(file: &Path) -> Result<Vec<String>, Problems> {
    let advice = "write names as a list, or as a map from 0 on";
    let text = bounded::text(file).map_err(|error| Problem::new(file, format!("cannot be read: {error}"), advice))?;
    let documents =
        Yaml::load_from_str(&text).map_err(|error| Problem::new(file, format!("is no YAML: {error}"), advice))?;
    let wrong = |what: String| Problem::new(file, what, advice).in_field("names");
    let document = documents.first().ok_or_else(|| wrong("is missing".into()))?;
    let listed = document.as_mapping_get("names").ok_or_else(|| wrong("is missing".into()))?;
    let text = |name: &Yaml| match name.as_str() {
        Some(text) => Some(text.to_owned()),
        None => name.as_integer().map(|number| number.to_string()),
    };
    let names: Option<Vec<String>> = if let Some(list) = listed.as_vec() {
        list.iter().map(text).collect()
    } else if let Some(map) = listed.as_mapping() {
        let mut named = Vec::new();
        for (key, value) in map {
            named.push((key.as_integer().ok_or_else(|| wrong("a key is no number".into()))?, text(value)));
        }
        named.sort_by_key(|(key, _)| *key);
        if !named.iter().zip(0..).all(|((key, _), place)| *key == place) {
            return Err(wrong("the numbers of the classes are not 0, 1, 2 and so on".into()).into());
        }
        named.into_iter().map(|(_, name)| name).collect()
    } else {
        None
    };
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| wrong("is no list of names".into()))?;
    if let Some(count) = document.as_mapping_get("nc").and_then(Yaml::as_integer)
        && usize::try_from(count) != Ok(names.len())
    {
        let what = format!("is {count}, but there are {} names", names.len());
        return Err(Problem::new(file, what, advice).in_field("nc").into());
    }
    Ok(names.iter().map(|name| words(name)).collect())
}

/// Returns the images below folders called `images`, relative to `source`, sorted.
fn images(source: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(source, "", 0, &mut found);
    found.sort();
    found
}

fn walk(source: &Path, below: &str, depth: usize, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(source.join(below)).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        // Links are not followed into other folders.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < DEEPEST {
            walk(source, &path, depth + 1, found);
        } else if !is_folder
            && ["png", "jpg", "jpeg"].contains(&extension(Path::new(&name)).as_str())
            && path.split('/').rev().skip(1).any(|part| part == "images")
        {
            found.push(path);
        }
    }
}

/// Returns the label file of an image: the last folder `images` becomes `labels`, and the extension `txt`.
fn label_file(image: &str) -> Option<String> {
    let mut parts: Vec<&str> = image.split('/').collect();
    let folder = parts.iter().rposition(|part| *part == "images")?;
    parts[folder] = "labels";
    Some(Path::new(&parts.join("/")).with_extension("txt").to_string_lossy().into_owned())
}

fn entry(root: &Path, image: &str, classes: &[String]) -> Result<Entry, Problems> {
    let labels = label_file(image).map(|file| root.join(file)).unwrap_or_default();
    let file: Arc<Path> = Arc::from(root.join(image));
    if !labels.is_file() {
        let reason = "without a label file, so its findings are unknown";
        return Ok(Entry::LeftOut(Place { file, row: 1 }, reason.into()));
    }
    let place = Place { file: Arc::from(labels.as_path()), row: 1 };
    let advice = "write class, centre x, centre y, width and height as fractions from 0 to 1";
    let text =
        bounded::text(&labels).map_err(|error| Problem::new(&*labels, format!("cannot be read: {error}"), advice))?;
    let mut boxes = Vec::new();
    for (line, row) in text.lines().zip(1..) {
        let at = Place { row, ..place.clone() };
        let values: Vec<&str> = line.split_whitespace().collect();
        if !values.is_empty() {
            boxes.push(class_box(&at, &values, classes.len(), advice)?);
        }
    }
    let image_ref = ImageRef::file("image", root, image);
    let mut row = row(place, image_ref, classes, &boxes, Unit::Fractions, &|_| Known::All);
    row.split = image.split('/').rev().skip(1).find_map(side);
    Ok(Entry::Row(Box::new(row)))
}

/// Reads a line: a class and a box, or a class and a polygon, whose surrounding box is taken.
fn class_box(place: &Place, values: &[&str], classes: usize, advice: &str) -> Result<ClassBox, Problems> {
    let class = values[0].parse().ok().filter(|class| *class < classes).ok_or_else(|| {
        let what = format!("there is no class {:?}; data.yaml names {classes}", values[0]);
        place.problem("class", what, "correct the number, or data.yaml")
    })?;
    let mut numbers = Vec::new();
    for value in &values[1..] {
        let number = value.parse::<f64>().ok().filter(|number| (-0.01..=1.01).contains(number));
        numbers
            .push(number.ok_or_else(|| place.problem("box", format!("{value:?} is no fraction from 0 to 1"), advice))?);
    }
    let bounds = match numbers[..] {
        [x, y, width, height] => [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0],
        ref points if points.len() >= 6 && points.len().is_multiple_of(2) => {
            let least = |from: usize| points.iter().skip(from).step_by(2).copied().fold(f64::INFINITY, f64::min);
            let most = |from: usize| points.iter().skip(from).step_by(2).copied().fold(f64::NEG_INFINITY, f64::max);
            [least(0), least(1), most(0), most(1)]
        }
        ref other => {
            let what = format!("has {} numbers after the class", other.len());
            return Err(place.problem("box", what, advice));
        }
    };
    if bounds[0] < bounds[2] && bounds[1] < bounds[3] {
        Ok(ClassBox { class, bounds })
    } else {
        Err(place.problem("box", "has no area", "correct the box, or remove the line"))
    }
}
