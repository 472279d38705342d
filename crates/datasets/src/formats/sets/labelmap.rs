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
use crate::source_image::{ClassValues, EXTENSIONS, is_dicom_name};

/// Folders of the images and of the label maps.
const IMAGES: &str = "images";
const MASKS: &str = "masks";

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
            let pairs = folder.pairs()?;
            let root = source.to_owned();
            let classes = Arc::clone(&classes);
            entries.push(
                pairs
                    .into_iter()
                    .map(move |pair| entry(&root, &pair, folder.split, &classes).unwrap_or_else(Entry::Faulty)),
            );
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
    /// Pairs images and label maps by their names without extension.
    fn pairs(&self) -> Result<Vec<Pair>, Problems> {
        let mut masks: BTreeMap<String, String> = BTreeMap::new();
        for name in files(&self.masks) {
            if let Some(other) = masks.insert(stem(&name), name.clone()) {
                let what = format!("{other} and {name} are label maps of one image");
                return Err(Problem::new(&self.masks, what, "keep one of them").into());
            }
        }
        let images = files(&self.images);
        let stems: BTreeSet<String> = images.iter().map(|name| stem(name)).collect();
        if stems.len() < images.len() {
            let what = "two images have the same name with different extensions";
            return Err(Problem::new(&self.images, what, "rename one of them and its label map").into());
        }
        if let Some((_, name)) = masks.iter().find(|(stem, _)| !stems.contains(*stem)) {
            let what = "is a label map without an image of the same name";
            return Err(Problem::new(self.masks.join(name), what, "add the image, or remove the label map").into());
        }
        let pair = |name: String| Pair {
            mask: masks.get(&stem(&name)).map(|mask| self.masks.join(mask)),
            image: format!("{}/{name}", self.below),
        };
        Ok(images.into_iter().map(pair).collect())
    }
}

fn entry(
    root: &Path,
    pair: &Pair,
    split: Option<stepwise_data::case::Split>,
    classes: &Classes,
) -> Result<Entry, Problems> {
    let Some(mask) = &pair.mask else {
        let place = Place { file: Arc::from(root.join(&pair.image)), row: 1 };
        return Ok(Entry::LeftOut(place, "without a label map, so its classes are unknown".into()));
    };
    let place = Place { file: Arc::from(mask.as_path()), row: 1 };
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
