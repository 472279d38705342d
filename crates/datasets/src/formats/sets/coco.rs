//! COCO: JSON files with `images`, `annotations` and `categories`. Boxes are read with their outlines: polygons, and runs
//! of pixels, as a list or compressed. Crowds are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use stepwise_data::io::contained::is_inside;
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::{Entry, ImageRef, Row, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::{Place, scalar};
use super::super::records;
use super::annotated::{ClassBox, Known, row, words};
use super::coco_outline::{Outline, Segmentation};
use super::common::{below_first, folder_of, nothing_to_read, side_of};
use super::unpaired::{image_without, whole};
use crate::source_image::EXTENSIONS;

/// COCO.
pub(super) struct Coco;

#[derive(Deserialize)]
struct Sheet {
    /// Facts about the file, such as its version.
    #[serde(default)]
    info: Value,
    /// List of the licences that images refer to.
    #[serde(default)]
    licenses: Value,
    images: Vec<ImageLine>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct ImageLine {
    id: i64,
    license: Option<Value>,
    file_name: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: i64,
    category_id: i64,
    bbox: Option<Vec<f64>>,
    #[serde(default)]
    iscrowd: u8,
    segmentation: Option<Segmentation>,
}

#[derive(Deserialize)]
struct Category {
    id: i64,
    name: String,
}

impl Format for Coco {
    fn name(&self) -> &'static str {
        "coco"
    }

    fn about(&self) -> &'static str {
        "COCO boxes and outlines (JSON with images, annotations, categories; --exhaustive when all classes were annotated everywhere)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        vec![Mark::new("JSON file with images, annotations and categories", !sheets(source).is_empty())]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/annotations.toml")
    }

    fn entries(&self, source: &Path, options: &FormatOptions) -> Result<Rows, Problems> {
        let files = sheets(source);
        if files.is_empty() {
            return Err(nothing_to_read(source, "JSON file with images, annotations and categories"));
        }
        let mut entries = Vec::new();
        let mut named = BTreeSet::new();
        for file in files {
            read(source, &file, options.exhaustive, &mut named, &mut entries)?;
        }
        entries.extend(unnamed(source, &named));
        Ok(Rows::new(entries.into_iter()))
    }
}

/// Returns an entry for each image file that no annotation file names, in the folders of those in `named`, by path relative
/// to the source.
fn unnamed(source: &Path, named: &BTreeSet<String>) -> Vec<Entry> {
    let root = folder_of(source);
    let inside = named.iter().filter(|path| is_inside(path));
    let folders: BTreeSet<&str> = inside.map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder)).collect();
    let mut entries = Vec::new();
    for folder in folders {
        for file in records::files(&root.join(folder), EXTENSIONS) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let path = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
            if !named.contains(&path) {
                entries.push(image_without(whole(&file), "an entry in an annotation file"));
            }
        }
    }
    entries
}

/// Returns the licence of an image: the name in the list, else the address.
fn licence_of(image: &ImageLine, licenses: &Value) -> Option<String> {
    let id = image.license.as_ref()?;
    let licence = licenses.as_array()?.iter().find(|licence| licence.get("id") == Some(id))?;
    ["name", "url"].into_iter().find_map(|key| text(licence, key))
}

/// Returns the text of a key without white space at its ends; None for a blank one.
fn text(object: &Value, key: &str) -> Option<String> {
    let text = scalar(object.get(key)?)?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Returns the JSON files of the folder, of `annotations/` and of the folders of the sides that look like COCO.
fn sheets(source: &Path) -> Vec<PathBuf> {
    let below = ["", "annotations", "train", "valid", "val", "test"];
    let folders = below.iter().map(|name| if name.is_empty() { source.to_owned() } else { source.join(name) });
    let all: Vec<PathBuf> = folders.flat_map(|folder| records::files(&folder, &["json"])).collect();
    all.into_iter().filter(|file| is_sheet(file)).collect()
}

/// Returns whether a file begins with an object that has the three keys. The keys are looked for in the text, because
/// the file can be large.
fn is_sheet(file: &Path) -> bool {
    #[derive(Deserialize)]
    struct Keys {
        #[serde(rename = "images")]
        _images: Vec<serde::de::IgnoredAny>,
        #[serde(rename = "annotations")]
        _annotations: Vec<serde::de::IgnoredAny>,
        #[serde(rename = "categories")]
        _categories: Vec<serde::de::IgnoredAny>,
    }
    let Ok(opened) = File::open(file) else { return false };
    serde_json::from_reader::<_, Keys>(BufReader::new(opened)).is_ok()
}

/// Adds outlines, each with the index of its region, to the row of an image.
fn outlined(row: &mut Row, outlines: Vec<(usize, Segmentation)>) -> Result<(), Problems> {
    let size = row.images.first().and_then(|image| image.size);
    for (region, segmentation) in outlines {
        match segmentation.outline(size) {
            Ok(Outline::Box) => {}
            Ok(Outline::Polygon(points)) => drop(row.polygons.insert(region, points)),
            Ok(Outline::Mask(mask)) => drop(row.masks.insert(region, mask)),
            Err(what) => {
                let advice = "correct the outline, or remove it";
                return Err(row.place.problem("annotations.segmentation", what, advice));
            }
        }
    }
    Ok(())
}

/// Reads an annotation file, and adds the paths of its images, relative to the source, to `named`.
fn read(
    source: &Path,
    file: &Path,
    exhaustive: bool,
    named: &mut BTreeSet<String>,
    entries: &mut Vec<Entry>,
) -> Result<(), Problems> {
    let place: Arc<Path> = Arc::from(file);
    let opened =
        File::open(file).map_err(|error| Problem::new(file, format!("cannot be read: {error}"), "check the file"))?;
    let sheet: Sheet = serde_json::from_reader(BufReader::new(opened))
        .map_err(|error| Problem::new(file, format!("is no COCO file: {error}"), "correct the annotation file"))?;
    // Ids have gaps and begin anew in each file.
    let mut classes = Vec::new();
    let mut by_id = BTreeMap::new();
    for category in &sheet.categories {
        if by_id.insert(category.id, classes.len()).is_some() {
            return Err(
                Problem::new(file, format!("category {} is there twice", category.id), "give each its own id").into()
            );
        }
        classes.push(words(&category.name));
    }
    let mut boxes: BTreeMap<i64, Vec<ClassBox>> = BTreeMap::new();
    let mut outlines: BTreeMap<i64, Vec<(usize, Segmentation)>> = BTreeMap::new();
    let mut faults: BTreeMap<i64, Problems> = BTreeMap::new();
    // An annotation of an id that two files have belongs to one of them, and nothing says to which.
    let mut files: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    sheet.images.iter().for_each(|image| files.entry(image.id).or_default().push(&image.file_name));
    let mut annotated = BTreeSet::new();
    // Classes of images with a crowd or a box without area: how many there are is unknown.
    let mut unusable = BTreeSet::new();
    for (annotation, row) in sheet.annotations.into_iter().zip(1..) {
        let at = Place { file: Arc::clone(&place), row };
        let Annotation { image_id, category_id, bbox, iscrowd, segmentation } = annotation;
        let mut fault = |field: &str, what: String| {
            let problem = at.problem(&format!("annotations.{field}"), what, "correct the annotation, or remove it");
            faults.entry(image_id).or_insert(problem);
        };
        if !files.contains_key(&image_id) {
            let advice = "correct the annotation, or remove it";
            let what = format!("there is no image {image_id}");
            entries.push(Entry::Faulty(at.problem("annotations.image_id", what, advice)));
            continue;
        }
        annotated.insert(image_id);
        match (by_id.get(&category_id), bbox.as_deref()) {
            (None, _) => fault("category_id", format!("there is no category {category_id}")),
            (Some(class), _) if iscrowd != 0 => {
                unusable.insert((image_id, *class));
                entries.push(Entry::Part(at, "crowd".into()));
            }
            (Some(class), Some([_, _, width, height])) if *width <= 0.0 || *height <= 0.0 => {
                unusable.insert((image_id, *class));
                entries.push(Entry::Part(at, "box without area".into()));
            }
            (Some(class), Some([x, y, width, height])) => {
                let bounds = [*x, *y, x + width, y + height];
                let of_image = boxes.entry(image_id).or_default();
                outlines.entry(image_id).or_default().extend(segmentation.map(|outline| (of_image.len(), outline)));
                of_image.push(ClassBox { class: *class, bounds });
            }
            (Some(_), Some(numbers)) => {
                fault("bbox", format!("has {} numbers, not x, y, width and height", numbers.len()));
            }
            (Some(_), None) => fault("bbox", "is missing".to_owned()),
        }
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = file.parent().and_then(|folder| folder.strip_prefix(source).ok()).unwrap_or(Path::new(""));
    let folder = folder.to_string_lossy().replace('\\', "/");
    let split = side_of(source, file);
    let revision = text(&sheet.info, "version");
    let sheet_name = stem.rsplit('_').next().unwrap_or_default().to_owned();
    let places =
        [folder.clone(), sheet_name.clone(), format!("images/{sheet_name}"), "images".to_owned(), String::new()];
    let root = folder_of(source);
    for (image, row_number) in sheet.images.iter().zip(1..) {
        let at = Place { file: Arc::clone(&place), row: row_number };
        let below: Vec<&str> = places.iter().map(String::as_str).collect();
        let path = below_first(&root, &below, &image.file_name);
        named.insert(path.clone());
        if let [first, second, ..] = files[&image.id][..] {
            let what = format!("{} is the id of {first:?} and of {second:?}", image.id);
            entries.push(Entry::Faulty(at.problem("images.id", what, "give each image its own id")));
            continue;
        }
        if let Some(problem) = faults.remove(&image.id) {
            entries.push(Entry::Faulty(problem));
            continue;
        }
        let found = boxes.remove(&image.id).unwrap_or_default();
        if found.is_empty() && !exhaustive {
            let what = if annotated.contains(&image.id) { "without a usable box" } else { "without an annotation" };
            entries.push(Entry::LeftOut(at, format!("{what}, which is negative only with --exhaustive")));
            continue;
        }
        let mut wanted = ImageRef::file("images.file_name", &root, path);
        let outlines = outlines.remove(&image.id).unwrap_or_default();
        // Runs state the size of the image, too.
        wanted.size = image.width.zip(image.height).or_else(|| outlines.iter().find_map(|(_, found)| found.size()));
        let known = |class| match unusable.contains(&(image.id, class)) {
            true => Known::Partly,
            false if exhaustive => Known::All,
            false => Known::Shown,
        };
        let mut row = row(at, wanted, &classes, &found, Unit::Pixels, &known);
        if row.questions.is_empty() {
            let what = "without a class of which all boxes are usable";
            entries.push(Entry::LeftOut(row.place, what.to_owned()));
            continue;
        }
        row.split = split;
        row.licence = licence_of(image, &sheet.licenses);
        row.revision.clone_from(&revision);
        let made = outlined(&mut row, outlines);
        entries.push(made.map_or_else(Entry::Faulty, |()| Entry::Row(Box::new(row))));
    }
    Ok(())
}
