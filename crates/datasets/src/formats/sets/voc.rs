//! Pascal VOC: an XML file an image with boxes of classes. Images lie in `JPEGImages/` and annotations in `Annotations/`,
//! or both side by side in folders of the sides of the split, as Roboflow exports them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roxmltree::Node;
use stepwise_data::io::bounded;
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::{Entry, ImageRef, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Place;
use super::super::records;
use super::annotated::{ClassBox, Known, row, words};
use super::common::{below_first, nothing_to_read, side_of};
use super::unpaired::{image_without, whole};
use super::voc_lists::{self, Lists};
use crate::bccd::has_cells;
use crate::source_image::EXTENSIONS;
use crate::xml::parse;

/// Folders of annotations: the one of the original layout, then those of exports.
const FOLDERS: [&str; 7] = ["Annotations", "annotations", "", "train", "valid", "val", "test"];

/// Folders of images beside those of the annotations.
const IMAGES: [&str; 2] = ["JPEGImages", "images"];

/// Annotation of an image, as reports name it.
const ANNOTATION: &str = "an annotation file";

/// Pascal VOC.
pub(super) struct Voc;

/// An annotation as its file has it.
struct Annotation {
    path: PathBuf,
    /// Name of the image in the annotation; empty when there is none.
    filename: String,
    /// Width and height in pixels; None when the annotation states none, or 0.
    size: Option<(u32, u32)>,
    objects: Vec<Object>,
}

struct Object {
    /// Line of the file.
    line: usize,
    class: String,
    is_difficult: bool,
    /// `xmin`, `ymin`, `xmax`, `ymax`.
    corners: [f64; 4],
}

impl Format for Voc {
    fn name(&self) -> &'static str {
        "voc"
    }

    fn about(&self) -> &'static str {
        "Pascal VOC boxes (JPEGImages/, Annotations/*.xml, ImageSets/Main/, or images and XML files side by side)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let has_boxes = |file: &PathBuf| bounded::text(file).is_ok_and(|text| text.contains("<annotation"));
        let found = files(source).iter().take(1).any(has_boxes);
        vec![
            Mark::new("Annotations/*.xml, or XML files in the folder, with <annotation>", found),
            Mark::common("no cells of bccd", !has_cells(source)),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/annotations.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files = files(source);
        if files.is_empty() {
            return Err(nothing_to_read(source, "folder Annotations with XML files"));
        }
        // The classes, and the images without an annotation, are known only when all files are read. Texts are small, so
        // they are read twice.
        let mut classes = BTreeSet::new();
        let mut annotated = BTreeSet::new();
        for annotation in files.iter().filter_map(|file| read(file).ok()) {
            annotated.insert(image(source, &annotation));
            classes.extend(annotation.objects.into_iter().map(|object| object.class));
        }
        let images = images(source, &files);
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let of_files: BTreeSet<String> = files.iter().map(|path| stem(path)).collect();
        let stems = images.iter().map(|path| stem(Path::new(path))).chain(of_files.iter().cloned()).collect();
        let lists = voc_lists::read(source, &stems)?;
        let lonely = images.into_iter().filter(|path| !annotated.contains(path));
        let lonely = lonely.filter(|path| !of_files.contains(&stem(Path::new(path))));
        let lonely: Vec<String> = lonely.collect();
        let mut others: Vec<Entry> =
            lonely.iter().map(|path| image_without(whole(&source.join(path)), ANNOTATION)).collect();
        let lonely: BTreeSet<String> = lonely.iter().map(|path| stem(Path::new(path))).collect();
        let is_known = |name: &String| of_files.contains(name) || lonely.contains(name);
        let missing = lists.iter().flatten().filter(|(name, _)| !is_known(name));
        others.extend(missing.map(|(_, (_, place))| {
            Entry::LeftOut(place.clone(), "a listed image without image file and annotation file".into())
        }));
        let classes: Vec<String> = classes.into_iter().collect();
        let root = source.to_owned();
        let read = files.into_iter().flat_map(move |file| {
            let made = read(&file).and_then(|annotation| entries(&root, &annotation, &classes, &lists));
            made.unwrap_or_else(|problems| vec![Entry::Faulty(problems)])
        });
        Ok(Rows::new(read.chain(others)))
    }
}

fn files(source: &Path) -> Vec<PathBuf> {
    let below = |name: &&str| if name.is_empty() { source.to_owned() } else { source.join(name) };
    let all: Vec<Vec<PathBuf>> = FOLDERS.iter().map(|name| records::files(&below(name), &["xml"])).collect();
    // On file systems that ignore case, two of the names are one folder.
    let mut seen = BTreeSet::new();
    let mut found: Vec<PathBuf> = all.into_iter().flatten().collect();
    found.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    found
}

/// Returns the image files of the folders of images and of the annotations, relative to `source`, sorted.
fn images(source: &Path, annotations: &[PathBuf]) -> Vec<String> {
    let beside = annotations.iter().filter_map(|path| path.parent()).map(Path::to_owned);
    let folders: BTreeSet<PathBuf> = IMAGES.iter().map(|name| source.join(name)).chain(beside).collect();
    let all = folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| records::files(folder, EXTENSIONS));
    let relative = |path: PathBuf| path.strip_prefix(source).unwrap_or(&path).to_string_lossy().replace('\\', "/");
    let found: BTreeSet<String> = all.map(relative).collect();
    found.into_iter().collect()
}

/// Reads an annotation.
fn read(path: &Path) -> Result<Annotation, Problems> {
    let advice = "correct the annotation file";
    let text = bounded::text(path).map_err(|error| Problem::new(path, format!("cannot be read: {error}"), advice))?;
    let document = parse(&text).map_err(|(what, line)| Problem::new(path, what, advice).at_row(line))?;
    let line = |node: Node<'_, '_>| document.text_pos_at(node.range().start).row as usize;
    let root = document.root_element();
    let size = child(root, "size").map(|size| ["width", "height"].map(|name| text_of(size, name).parse::<f64>()));
    let size = match size {
        Some([Ok(width), Ok(height)]) if width >= 1.0 && height >= 1.0 => Some((width as u32, height as u32)),
        _ => None,
    };
    let mut objects = Vec::new();
    for object in root.children().filter(|node| node.has_tag_name("object")) {
        let wrong = |field: &str, what: String| Problem::new(path, what, advice).at_row(line(object)).in_field(field);
        let class = words(&text_of(object, "name"));
        if class.is_empty() {
            return Err(wrong("name", "is missing".into()).into());
        }
        let bounds = child(object, "bndbox").ok_or_else(|| wrong("bndbox", "is missing".into()))?;
        let mut corners = [0.0; 4];
        for (corner, name) in corners.iter_mut().zip(["xmin", "ymin", "xmax", "ymax"]) {
            let text = text_of(bounds, name);
            let number = text.parse().ok().filter(|number: &f64| (0.0..=1e6).contains(number));
            *corner = number.ok_or_else(|| wrong(name, format!("{text:?} is not a number of pixels")))?;
        }
        let is_difficult = text_of(object, "difficult") == "1";
        objects.push(Object { line: line(object), class, is_difficult, corners });
    }
    Ok(Annotation { path: path.to_owned(), filename: text_of(root, "filename"), size, objects })
}

fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Option<Node<'a, 'b>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// Returns the trimmed text of a child; empty when there is none.
fn text_of(node: Node<'_, '_>, name: &str) -> String {
    child(node, name).and_then(|node| node.text()).unwrap_or_default().trim().to_owned()
}

/// Returns the row of an annotation, with a remark for each object that is left out.
fn entries(
    root: &Path,
    annotation: &Annotation,
    classes: &[String],
    lists: &Option<Lists>,
) -> Result<Vec<Entry>, Problems> {
    let Annotation { path, size, objects, .. } = annotation;
    let file: Arc<Path> = Arc::from(path.as_path());
    let place = |row: usize| Place { file: Arc::clone(&file), row };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let split = match lists {
        None => path.parent().and_then(|folder| side_of(root, folder)),
        Some(lists) => match lists.get(&stem) {
            Some((split, _)) => Some(*split),
            None => return Ok(vec![Entry::LeftOut(place(1), "in no list of ImageSets/Main".into())]),
        },
    };
    let mut all = Vec::new();
    let mut boxes = Vec::new();
    // Classes of which not all boxes are usable: how many there are is unknown.
    let mut unusable = BTreeSet::new();
    for object in objects {
        let class = classes.iter().position(|class| *class == object.class).unwrap_or_default();
        // Corners are pixels counted from 1, and both are inside, so that equal ones are a box of one pixel; a corner at 0
        // is at the edge.
        let [x0, y0, x1, y1] = object.corners;
        let bounds = [(x0 - 1.0).max(0.0), (y0 - 1.0).max(0.0), x1, y1];
        if object.is_difficult {
            unusable.insert(class);
            all.push(Entry::Part(place(object.line), "object marked as difficult".into()));
        } else if bounds[0] >= bounds[2] || bounds[1] >= bounds[3] {
            unusable.insert(class);
            all.push(Entry::Part(place(object.line), "box without area".into()));
        } else {
            boxes.push(ClassBox { class, bounds });
        }
    }
    let mut wanted = ImageRef::file("filename", root, image(root, annotation));
    wanted.size = *size;
    let known = |class| if unusable.contains(&class) { Known::Partly } else { Known::All };
    let mut row = row(place(1), wanted, classes, &boxes, Unit::Pixels, &known);
    row.split = split;
    all.push(Entry::Row(Box::new(row)));
    Ok(all)
}

/// Returns the path of the image of an annotation, relative to `root`: named like the annotation, else as the annotation says,
/// which may be another name.
fn image(root: &Path, Annotation { path, filename, .. }: &Annotation) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(|folder| folder.strip_prefix(root).ok()).unwrap_or(Path::new(""));
    let folder = folder.to_string_lossy().replace('\\', "/");
    let below = [IMAGES[0], IMAGES[1], &folder, ""];
    let upper = |extension: &&str| extension.to_ascii_uppercase();
    let extensions = EXTENSIONS.iter().map(|extension| (*extension).to_owned()).chain(EXTENSIONS.iter().map(upper));
    let named = extensions.map(|extension| format!("{stem}.{extension}"));
    let stated = Path::new(filename).file_name().map(|name| name.to_string_lossy().into_owned());
    let paths: Vec<String> = named.chain(stated).map(|name| below_first(root, &below, &name)).collect();
    paths.iter().find(|path| root.join(path).is_file()).or(paths.first()).cloned().unwrap_or_default()
}
