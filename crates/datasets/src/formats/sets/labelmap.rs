//! Label maps: `images/` and `masks/` with files of equal names, whose grey values or palette indices are classes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use stepwise_data::image::read_file;
use stepwise_data::io::{bounded, contained};
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::{Entry, ImageRef, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Place;
use super::super::region_mask::RegionMask;
use super::annotated::{ClassBox, Known, row};
use super::common::{nothing_to_read, side};
use super::unpaired::{image_without, whole, without_image};
use crate::source_image::{ClassValues, EXTENSIONS, is_dicom_name};

/// Folders of the images and of the label maps.
const IMAGES: &str = "images";
const MASKS: &str = "masks";

/// Annotation of an image, as reports name it.
const LABEL_MAP: &str = "a label map";

/// Value of pixels without a class, unless the list names it.
const BACKGROUND: u16 = 0;

/// Label maps.
pub(super) struct LabelMap;

impl Format for LabelMap {
    fn name(&self) -> &'static str {
        "labelmap"
    }

    fn about(&self) -> &'static str {
        "label maps: images/ and masks/ with equal names, values or palette indices as classes (--classes FILE)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let folders = folders(source);
        vec![
            Mark::common("images/ with image files", folders.iter().any(|folder| !files(&folder.images).is_empty())),
            Mark::new("masks/ with PNG or TIFF files", folders.iter().any(|folder| !files(&folder.masks).is_empty())),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/annotations.toml")
    }

    fn entries(&self, source: &Path, options: &FormatOptions) -> Result<Rows, Problems> {
        let Some(file) = &options.classes else {
            let advice = "give --classes FILE with a line `VALUE NAME` for each class, such as `1 liver`";
            return Err(Problem::new(source, "the classes of the label maps are not named", advice).into());
        };
        let classes = Arc::new(Classes::read(file)?);
        let folders = folders(source);
        if folders.is_empty() {
            return Err(nothing_to_read(source, "folder images/ with a folder masks/ beside it"));
        }
        let mut entries = Vec::new();
        for folder in folders {
            let (pairs, faulty) = folder.pairs();
            let root = source.to_owned();
            let classes = Arc::clone(&classes);
            let read = pairs
                .into_iter()
                .map(move |pair| entry(&root, &pair, folder.split, &classes).unwrap_or_else(Entry::Faulty));
            entries.push(read.chain(faulty));
        }
        Ok(Rows::new(entries.into_iter().flatten()))
    }
}

/// Names of classes by their values.
struct Classes {
    /// Names, in the order of their values.
    names: Vec<String>,
    /// Index in `names` of each value; None for values that are left out.
    by_value: BTreeMap<u16, Option<usize>>,
}

impl Classes {
    /// Reads lines `VALUE NAME`; also with `:`, `=` or `,` after the value. A value without a name is left out. Lines that
    /// begin with `#` are comments.
    fn read(file: &Path) -> Result<Self, Problems> {
        let advice = "write a line `VALUE NAME` for each class, such as `1 liver`; a value alone has no class";
        let text =
            bounded::text(file).map_err(|error| Problem::new(file, format!("cannot be read: {error}"), advice))?;
        let mut named = BTreeMap::new();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: String| Problem::new(file, what, advice).at_row(number);
            let end = line.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(line.len());
            let (value, name) = line.split_at(end);
            let value: u16 =
                value.parse().map_err(|_| wrong(format!("{line:?} does not begin with a value from 0 to 65535")))?;
            let name = name.trim_start_matches([':', '=', ',', ' ', '\t']).trim().replace('_', " ");
            let name = (!name.is_empty()).then_some(name);
            if named.insert(value, name).is_some() {
                return Err(wrong(format!("the value {value} is there twice")).into());
            }
        }
        let names: Vec<String> = named.values().flatten().cloned().collect();
        if names.is_empty() {
            return Err(Problem::new(file, "names no class", advice).into());
        }
        if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
            return Err(Problem::new(file, "two values have the same name", "give each class its own name").into());
        }
        let mut next = 0..;
        let by_value = named.into_iter().map(|(value, name)| (value, name.and_then(|_| next.next()))).collect();
        Ok(Self { names, by_value })
    }
}

/// Folders with images and their label maps.
struct Folder {
    images: PathBuf,
    masks: PathBuf,
    /// Path of `images` relative to the source.
    below: String,
    split: Option<stepwise_data::case::Split>,
}

/// An image and its label map; None when there is none.
struct Pair {
    /// Path of the image relative to the source.
    image: String,
    mask: Option<PathBuf>,
}

/// Returns the folders with images and label maps: those of the source, and those in the folders of the sides of a
/// split.
fn folders(source: &Path) -> Vec<Folder> {
    let sides = std::fs::read_dir(source).into_iter().flatten().flatten();
    let mut names: Vec<String> = sides.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| side(name).is_some());
    names.sort();
    names.insert(0, String::new());
    let all = names.into_iter().map(|name| Folder {
        images: source.join(&name).join(IMAGES),
        masks: source.join(&name).join(MASKS),
        below: if name.is_empty() { IMAGES.to_owned() } else { format!("{name}/{IMAGES}") },
        split: side(&name),
    });
    all.filter(|folder| folder.images.is_dir() && folder.masks.is_dir()).collect()
}

/// Returns the names of the image files in a folder, sorted.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| {
        let extension = super::super::records::extension(Path::new(name));
        EXTENSIONS.contains(&extension.as_str()) || is_dicom_name(&name.to_ascii_lowercase())
    });
    names.sort();
    names
}

fn stem(name: &str) -> String {
    Path::new(name).with_extension("").to_string_lossy().into_owned()
}

impl Folder {
    /// Pairs images and label maps by their names without extension. Files that share such a name with another file of their
    /// folder, and label maps without an image, are faulty.
    fn pairs(&self) -> (Vec<Pair>, Vec<Entry>) {
        let mut faulty = Vec::new();
        let images = by_stem(&self.images, "image", &mut faulty);
        let masks = by_stem(&self.masks, "label map", &mut faulty);
        let lonely = masks.iter().filter(|(stem, _)| !images.contains_key(*stem));
        faulty.extend(lonely.flat_map(|(_, names)| names).map(|name| without_image(&self.masks.join(name), LABEL_MAP)));
        let mut pairs = Vec::new();
        for (stem, names) in images {
            let masks = masks.get(&stem).map_or(&[][..], Vec::as_slice);
            // Which of several files belong together is unknown.
            if let ([name], [] | [_]) = (&names[..], masks) {
                let mask = masks.first().map(|mask| self.masks.join(mask));
                pairs.push(Pair { image: format!("{}/{name}", self.below), mask });
            }
        }
        (pairs, faulty)
    }
}

/// Returns the image files of a folder by their names without extension. Adds a fault to `faulty` for each such name that
/// several files have; `what` names the kind of file.
fn by_stem(folder: &Path, what: &str, faulty: &mut Vec<Entry>) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in files(folder) {
        found.entry(stem(&name)).or_default().push(name);
    }
    for (stem, names) in found.iter().filter(|(_, names)| names.len() > 1) {
        let what = format!("{} are {what}s with the same name {stem:?}", names.join(" and "));
        faulty.push(Entry::Faulty(Problem::new(folder, what, "keep one of them, or rename one").into()));
    }
    found
}

fn entry(
    root: &Path,
    pair: &Pair,
    split: Option<stepwise_data::case::Split>,
    classes: &Classes,
) -> Result<Entry, Problems> {
    let Some(mask) = &pair.mask else { return Ok(image_without(whole(&root.join(&pair.image)), LABEL_MAP)) };
    let place = whole(mask);
    let relative = mask.strip_prefix(root).unwrap_or(mask).to_string_lossy().replace('\\', "/");
    let inside =
        contained::resolve(root, &relative).map_err(|error| place.problem("mask", error.to_string(), "use a file"));
    let bytes = read_file(&inside?).map_err(|error| split_problem(&place, &error.to_string()))?;
    let map = ClassValues::read(&bytes, mask).map_err(|refused| place.problem("mask", refused.what, refused.advice))?;
    let map = Rc::new(map);
    let mut boxes = Vec::new();
    let mut masks = BTreeMap::new();
    for (value, _) in map.counts() {
        let class = match classes.by_value.get(&value) {
            Some(Some(class)) => *class,
            Some(None) => continue,
            None if value == BACKGROUND => continue,
            None => {
                let what = format!("holds the value {value}, which the list of classes does not name");
                return Err(place.problem("mask", what, "add a line for it; a value alone has no class"));
            }
        };
        if let Some(bounds) = map.mask(value).bounds() {
            let map = Rc::clone(&map);
            masks.insert(boxes.len(), RegionMask::new(move || map.mask(value)));
            boxes.push(ClassBox { class, bounds });
        }
    }
    let mut image = ImageRef::file("image", root, pair.image.clone());
    image.size = Some((map.width, map.height));
    // A class is one region, whose parts are not counted.
    let mut row = row(place, image, &classes.names, &boxes, Unit::Pixels, &|_| Known::All);
    row.questions.retain(|question| !question.fields.contains(&("asks".to_owned(), "count".to_owned())));
    row.masks = masks;
    row.split = split;
    Ok(Entry::Row(Box::new(row)))
}

fn split_problem(place: &Place, message: &str) -> Problems {
    let (what, advice) = message.split_once(" -> ").unwrap_or((message, "correct the file"));
    place.problem("mask", what, advice)
}
