//! DICOM files with a table of boxes: the layouts of the RSNA pneumonia challenge and of VinDr-CXR. A row is a box, or says
//! that there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stepwise_data::case::Split;
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::{Entry, ImageRef, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::{Place, Record};
use super::super::records;
use super::annotated::{ClassBox, Known, row, words};
use super::common::{fields_mark, folder_of, nothing_to_read, side_of};
use super::unpaired::{image_without, whole};
use crate::source_image::is_dicom_name;

/// How deep folders are searched for DICOM files.
const DEEPEST: usize = 4;

const RSNA: &[&str] = &["patientId", "x", "y", "width", "height", "Target"];
const VINDR: &[&str] = &["image_id", "class_name", "x_min", "y_min", "x_max", "y_max"];
/// Class of a positive row of the RSNA table, which has no names.
const RSNA_CLASS: &str = "lung opacity";
/// Class of VinDr rows without a box.
const NO_FINDING: &str = "no finding";

/// DICOM files with a table of boxes.
pub(super) struct Dicom;

impl Format for Dicom {
    fn name(&self) -> &'static str {
        "dicom"
    }

    fn about(&self) -> &'static str {
        "DICOM files with a CSV of boxes (RSNA: patientId, x, y, width, height, Target; VinDr: image_id, class_name, x_min)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let tables = records::files(source, &["csv"]);
        let below = records::files(&source.join("annotations"), &["csv"]);
        let tables: Vec<PathBuf> = tables.into_iter().chain(below).collect();
        let (rsna, vindr) = (fields_mark(&tables, "a CSV", RSNA), fields_mark(&tables, "a CSV", VINDR));
        let table = if rsna.found {
            rsna
        } else if vindr.found {
            vindr
        } else {
            Mark::new(format!("a CSV with {} or with {}", RSNA.join(", "), VINDR.join(", ")), false)
        };
        vec![table, Mark::new("DICOM files (.dcm, .dicom)", !images(source).is_empty())]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/annotations.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let root = folder_of(source);
        let images = images(&root);
        if images.is_empty() {
            return Err(nothing_to_read(&root, "DICOM file (.dcm, .dicom)"));
        }
        let tables =
            records::files(source, &["csv"]).into_iter().chain(records::files(&source.join("annotations"), &["csv"]));
        let mut entries = Vec::new();
        let mut named = BTreeSet::new();
        let mut is_table = false;
        for table in tables {
            let Some(first) = records::first(&table) else { continue };
            let has = |fields: &[&str]| fields.iter().all(|field| first.contains_key(*field));
            let layout = match (has(RSNA), has(VINDR)) {
                (true, _) => Layout::Rsna,
                (_, true) => Layout::Vindr,
                _ => continue,
            };
            is_table = true;
            read(&root, &table, layout, &images, &mut named, &mut entries)?;
        }
        if !is_table {
            let what = format!("there is no CSV with {} or with {}", RSNA.join(", "), VINDR.join(", "));
            let advice = "for another table of DICOM files use `stepwise data import table` with its columns";
            return Err(Problem::new(root, what, advice).into());
        }
        entries.extend(without_row(&root, &images, &named));
        Ok(Rows::new(entries.into_iter()))
    }
}

/// Returns an entry for each DICOM file whose name is not in `named`, the names in the tables. The place is the folder with
/// the number of the file in it, because the name of the file can identify a person.
fn without_row(root: &Path, images: &Images, named: &BTreeSet<String>) -> Vec<Entry> {
    let mut numbers: BTreeMap<&Path, usize> = BTreeMap::new();
    let mut entries = Vec::new();
    for (name, path) in images.iter().flat_map(|(name, paths)| paths.iter().map(move |path| (name, path))) {
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let row = numbers.entry(folder).or_default();
        *row += 1;
        if !named.contains(name) {
            entries.push(image_without(Place { row: *row, ..whole(&root.join(folder)) }, "a row in the table"));
        }
    }
    entries
}

/// DICOM files by their names without extension, as paths relative to the source.
type Images = BTreeMap<String, Vec<String>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Rsna,
    Vindr,
}

/// Returns the DICOM files below a folder.
fn images(root: &Path) -> Images {
    let mut found = Images::new();
    walk(root, "", 0, &mut found);
    found.values_mut().for_each(|paths| paths.sort());
    found
}

fn walk(root: &Path, below: &str, depth: usize, found: &mut Images) {
    for entry in std::fs::read_dir(root.join(below)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        // Links are not followed into other folders.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < DEEPEST {
            walk(root, &path, depth + 1, found);
        } else if !is_folder && is_dicom_name(&name.to_ascii_lowercase()) {
            found.entry(Path::new(&name).with_extension("").to_string_lossy().into_owned()).or_default().push(path);
        }
    }
}

/// A row of the table: a box of a class, or None for an image without findings.
struct Finding {
    class: Option<String>,
    bounds: [f64; 4],
}

/// Findings of an image.
struct Image {
    place: Place,
    /// Findings by reader; RSNA tables have one reader.
    readers: BTreeMap<String, Vec<Finding>>,
}

/// Reads a table, and adds the names of its images to `named`. Images are in the order of their first rows.
fn read(
    root: &Path,
    table: &Path,
    layout: Layout,
    images: &Images,
    named: &mut BTreeSet<String>,
    entries: &mut Vec<Entry>,
) -> Result<(), Problems> {
    let mut order = Vec::new();
    let mut by_id: BTreeMap<String, Image> = BTreeMap::new();
    let mut faulty: BTreeSet<String> = BTreeSet::new();
    let mut classes: BTreeSet<String> = BTreeSet::new();
    for record in records::open(table)? {
        let record = match record {
            Ok(record) => record,
            Err(problems) => {
                entries.push(Entry::Faulty(problems));
                continue;
            }
        };
        let id = record.trimmed(if layout == Layout::Rsna { "patientId" } else { "image_id" });
        named.insert(id.clone());
        match finding(&record, layout) {
            Ok(finding) => {
                classes.extend(finding.class.clone());
                let image = by_id.entry(id.clone()).or_insert_with(|| {
                    order.push(id.clone());
                    Image { place: record.place.clone(), readers: BTreeMap::new() }
                });
                image.readers.entry(record.trimmed("rad_id")).or_default().push(finding);
            }
            Err(problems) => {
                if faulty.insert(id) {
                    entries.push(Entry::Faulty(problems));
                }
            }
        }
    }
    let names: Vec<String> = classes.into_iter().collect();
    let split = side_of(root, table);
    for id in order.into_iter().filter(|id| !faulty.contains(id)) {
        let Some(image) = by_id.remove(&id) else { continue };
        // The field and not the id: an id can identify a person.
        let (what, advice) = match images.get(&id).map(Vec::as_slice) {
            Some([path]) => {
                entries.extend(image.entries(root, path, &names, split));
                continue;
            }
            Some(_) => ("there are several DICOM files with this name", "rename all but one"),
            None => ("there is no DICOM file with this name", "add the file, or remove the row"),
        };
        entries.push(Entry::Faulty(image.place.problem("image", what, advice)));
    }
    Ok(())
}

fn finding(record: &Record, layout: Layout) -> Result<Finding, Problems> {
    let number = |field: &str| {
        let text = record.required(field)?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| record.problem(field, format!("{text:?} is no number"), "write pixels of the image"))
    };
    let nothing = Finding { class: None, bounds: [0.0; 4] };
    match layout {
        Layout::Rsna => match record.required("Target")?.as_str() {
            "0" => Ok(nothing),
            "1" => {
                let [x, y, width, height] = [number("x")?, number("y")?, number("width")?, number("height")?];
                Ok(Finding { class: Some(RSNA_CLASS.into()), bounds: [x, y, x + width, y + height] })
            }
            other => Err(record.problem("Target", format!("is {other:?}"), "write 0 or 1")),
        },
        Layout::Vindr => {
            let class = words(&record.required("class_name")?).to_lowercase();
            if class == NO_FINDING {
                return Ok(nothing);
            }
            let bounds = [number("x_min")?, number("y_min")?, number("x_max")?, number("y_max")?];
            Ok(Finding { class: Some(class), bounds })
        }
    }
}

impl Image {
    /// Returns the row of the image, and remarks on classes that its readers see differently: these are left out.
    fn entries(self, root: &Path, path: &str, names: &[String], split: Option<Split>) -> Vec<Entry> {
        let count = |findings: &[Finding], name: &String| {
            findings.iter().filter(|finding| finding.class.as_ref() == Some(name)).count()
        };
        let agreed = |name: &String| {
            let mut counts = self.readers.values().map(|findings| count(findings, name));
            let first = counts.next();
            counts.all(|other| Some(other) == first)
        };
        let is_agreed: Vec<bool> = names.iter().map(agreed).collect();
        let mut entries: Vec<Entry> = names
            .iter()
            .zip(&is_agreed)
            .filter(|(_, is_agreed)| !**is_agreed)
            .map(|(name, _)| Entry::Part(self.place.clone(), format!("readers disagree on {name}")))
            .collect();
        // Readers who agree on the number of boxes draw them differently; those of the first one count.
        let first = self.readers.values().next().map_or(&[][..], Vec::as_slice);
        let boxes: Vec<ClassBox> = first
            .iter()
            .filter_map(|finding| {
                let class = names.iter().position(|name| Some(name) == finding.class.as_ref())?;
                is_agreed[class].then_some(ClassBox { class, bounds: finding.bounds })
            })
            .collect();
        let image = ImageRef::file("image", root, path);
        let known = |class: usize| if is_agreed[class] { Known::All } else { Known::Partly };
        let mut row = row(self.place.clone(), image, names, &boxes, Unit::Pixels, &known);
        row.split = split;
        if row.questions.is_empty() {
            entries.push(Entry::LeftOut(self.place, "readers disagree on every class".into()));
        } else {
            entries.push(Entry::Row(Box::new(row)));
        }
        entries
    }
}
