//! YOLO boxes and outlines (Ultralytics and Roboflow): `images/` and `labels/` with equal names, and a sheet with the names of
//! the classes. The sheet or the folders name the sides of the split. An empty label file is an image without findings;
//! an image without a label file is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stepwise_data::case::{Shape, Split};
use stepwise_data::io::bounded;
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::{Entry, ImageRef, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Place;
use super::super::records::extension;
use super::annotated::{ClassBox, Known, row};
use super::common::{nothing_to_read, side_of};
use super::unpaired::{image_without, whole, without_image};
use super::yolo_sheet::{Sheet, sheets};
use crate::source_image::EXTENSIONS;

/// How deep folders are searched for images and labels.
const DEEPEST: usize = 4;

const IMAGES: &str = "images";
const LABELS: &str = "labels";

/// Name of the list of classes that labelling tools write beside the labels.
const CLASSES: &str = "classes.txt";

/// Annotation of an image, as reports name it.
const LABEL_FILE: &str = "a label file";

/// Corners of a polygon, x and y as fractions of the image.
type Points = Vec<[f64; 2]>;

/// YOLO.
pub(super) struct Yolo;

impl Format for Yolo {
    fn name(&self) -> &'static str {
        "yolo"
    }

    fn about(&self) -> &'static str {
        "YOLO boxes and outlines of Ultralytics and Roboflow (data.yaml or another YAML file with names, images/, labels/)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let found = images(source);
        let labels = found.iter().any(|image| label_file(image).is_some_and(|file| source.join(file).is_file()));
        let sheets = sheets(source);
        let sheet = sheets.first().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        vec![
            Mark::new(
                format!("{} with names", sheet.as_deref().unwrap_or("data.yaml or another YAML file")),
                !sheets.is_empty(),
            ),
            Mark::common("images/ with image files", !found.is_empty()),
            Mark::new("labels/ with text files of the same names", labels),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/annotations.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let file = match &sheets(source)[..] {
            [only] => only.clone(),
            [] => return Err(nothing_to_read(source, "data.yaml or other YAML file with the names of the classes")),
            several => {
                let names: Vec<_> = several.iter().filter_map(|path| path.file_name()).collect();
                let names: Vec<_> = names.into_iter().map(|name| name.to_string_lossy()).collect();
                let what = format!("has several YAML files with names: {}", names.join(", "));
                return Err(Problem::new(source, what, "keep one of them, or call it data.yaml").into());
            }
        };
        let sheet = Sheet::read(source, &file)?;
        let images = images(source);
        if images.is_empty() {
            return Err(nothing_to_read(source, "folder images/ with image files"));
        }
        let missing = sheet.sides.missing(&images).into_iter();
        let missing = missing.map(|place| Entry::LeftOut(place, "a listed image that is not there".into()));
        let labelled: BTreeSet<String> = images.iter().filter_map(|image| label_file(image)).collect();
        let mut lonely = files(source, LABELS, &["txt"]);
        lonely.retain(|path| !labelled.contains(path) && path.rsplit('/').next() != Some(CLASSES));
        let lonely: Vec<Entry> = lonely.into_iter().map(|path| without_image(&source.join(path), LABEL_FILE)).collect();
        let others: Vec<Entry> = missing.chain(lonely).collect();
        let root = source.to_owned();
        let read = images.into_iter().map(move |image| entry(&root, &image, &sheet).unwrap_or_else(Entry::Faulty));
        Ok(Rows::new(read.chain(others)))
    }
}

/// Returns the images below folders called `images`, relative to `source`, sorted.
fn images(source: &Path) -> Vec<String> {
    files(source, IMAGES, EXTENSIONS)
}

/// Returns the files with one of the extensions below folders called `folder`, relative to `source`, sorted.
fn files(source: &Path, folder: &str, extensions: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let fits = |path: &str| {
        extensions.contains(&extension(Path::new(path)).as_str())
            && path.split('/').rev().skip(1).any(|part| part == folder)
    };
    walk(source, "", 0, &fits, &mut found);
    found.sort();
    found
}

fn walk(source: &Path, below: &str, depth: usize, fits: &dyn Fn(&str) -> bool, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(source.join(below)).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        // Links are not followed into other folders.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < DEEPEST {
            walk(source, &path, depth + 1, fits, found);
        } else if !is_folder && fits(&path) {
            found.push(path);
        }
    }
}

/// Returns the label file of an image: the last folder `images` becomes `labels`, and the extension `txt`.
fn label_file(image: &str) -> Option<String> {
    let mut parts: Vec<&str> = image.split('/').collect();
    let folder = parts.iter().rposition(|part| *part == IMAGES)?;
    parts[folder] = LABELS;
    Some(Path::new(&parts.join("/")).with_extension("txt").to_string_lossy().into_owned())
}

fn entry(root: &Path, image: &str, sheet: &Sheet) -> Result<Entry, Problems> {
    let labels = label_file(image).map(|file| root.join(file)).unwrap_or_default();
    if !labels.is_file() {
        return Ok(image_without(whole(&root.join(image)), LABEL_FILE));
    }
    let place = whole(&labels);
    let advice = "write class, centre x, centre y, width and height as fractions from 0 to 1";
    let text =
        bounded::text(&labels).map_err(|error| Problem::new(&*labels, format!("cannot be read: {error}"), advice))?;
    let mut boxes = Vec::new();
    let mut polygons = BTreeMap::new();
    for (line, row) in text.lines().zip(1..) {
        let at = Place { row, ..place.clone() };
        let values: Vec<&str> = line.split_whitespace().collect();
        if !values.is_empty() {
            let (found, points) = class_box(&at, &values, sheet.classes.len(), advice)?;
            polygons.extend(points.map(|points| (boxes.len(), points)));
            boxes.push(found);
        }
    }
    let image_ref = ImageRef::file("image", root, image);
    let mut row = row(place, image_ref, &sheet.classes, &boxes, Unit::Fractions, &|_| Known::All);
    row.polygons = polygons;
    row.licence.clone_from(&sheet.licence);
    row.revision.clone_from(&sheet.revision);
    let sides = sheet.sides.of(image);
    if sides.len() > 1 {
        row.remarks.push("image of two sides, which is taken for the later one".to_owned());
    }
    row.split = sides.last().copied().or_else(|| split_of_folder(root, image, sheet));
    Ok(Entry::Row(Box::new(row)))
}

/// Returns the side that the folders of an image name; None where the sheet has lists of images.
fn split_of_folder(root: &Path, image: &str, sheet: &Sheet) -> Option<Split> {
    let folder = root.join(image);
    folder.parent().filter(|_| !sheet.sides.has_list()).and_then(|folder| side_of(root, folder))
}

/// Reads a line: a class and a box, or a class and a polygon, which is returned beside the box around it.
fn class_box(
    place: &Place,
    values: &[&str],
    classes: usize,
    advice: &str,
) -> Result<(ClassBox, Option<Points>), Problems> {
    let class = values[0].parse().ok().filter(|class| *class < classes).ok_or_else(|| {
        let what = format!("there is no class {:?}; the YAML file names {classes}", values[0]);
        place.problem("class", what, "correct the number, or the names")
    })?;
    let mut numbers = Vec::new();
    for value in &values[1..] {
        let number = value.parse::<f64>().ok().filter(|number| (-0.01..=1.01).contains(number));
        numbers
            .push(number.ok_or_else(|| place.problem("box", format!("{value:?} is no fraction from 0 to 1"), advice))?);
    }
    let (bounds, points) = match numbers[..] {
        [x, y, width, height] => ([x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0], None),
        ref numbers if numbers.len() >= 6 && numbers.len().is_multiple_of(2) => {
            let points: Points = numbers.chunks_exact(2).map(|point| [point[0], point[1]]).collect();
            (Shape::Polygon { points: points.clone() }.bounds(), Some(points))
        }
        ref other => {
            let what = format!("has {} numbers after the class", other.len());
            return Err(place.problem("box", what, advice));
        }
    };
    if bounds[0] < bounds[2] && bounds[1] < bounds[3] {
        Ok((ClassBox { class, bounds }, points))
    } else {
        Err(place.problem("box", "has no area", "correct the box, or remove the line"))
    }
}
