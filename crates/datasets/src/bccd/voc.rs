//! Reader of the Pascal VOC annotation of a blood smear.

use std::path::Path;

use roxmltree::{Document, Node};
use stepwise_data::problem::{Problem, Problems};

use crate::import::ImportError;
use crate::output::read_text;
use crate::xml::parse;

/// Class of cells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Name in the annotations.
    pub(super) name: &'static str,
    /// Name of one cell in regions and questions.
    pub(super) label: &'static str,
    /// Prefix of region ids.
    prefix: &'static str,
}

/// Class of white blood cells.
pub(super) const WHITE: &Cell = &Cell { name: "WBC", label: "white blood cell", prefix: "wbc" };
/// Class of red blood cells.
pub(super) const RED: &Cell = &Cell { name: "RBC", label: "red blood cell", prefix: "rbc" };
/// Class of platelets.
pub(super) const PLATELET: &Cell = &Cell { name: "Platelets", label: "platelet", prefix: "platelet" };
/// All classes, in the order of questions.
pub(super) const CELLS: [&Cell; 3] = [WHITE, RED, PLATELET];

/// Returns the region id of a cell of a class. `place` counts the cells of the class from 0; ids count from 1.
pub(super) fn id(cell: &Cell, place: usize) -> String {
    format!("{}-{}", cell.prefix, place + 1)
}

/// Boxes of a smear by class, each `[x0, y0, x1, y1]` in pixels, half-open.
pub(super) struct Smear {
    /// Width and height of the image in pixels.
    pub(super) size: [u32; 2],
    /// Boxes in the order of [`CELLS`].
    boxes: [Vec<[f64; 4]>; 3],
    /// One line for each box that was ignored because it has no area.
    pub(super) ignored: Vec<String>,
}

impl Smear {
    /// Returns the boxes of a class, in the order of the annotation.
    pub(super) fn of(&self, cell: &Cell) -> &[[f64; 4]] {
        CELLS.iter().position(|other| *other == cell).map_or(&[], |place| &self.boxes[place])
    }

    /// Returns the boxes of the white blood cells.
    pub(super) fn white(&self) -> &[[f64; 4]] {
        self.of(WHITE)
    }

    /// Returns the boxes of the red blood cells.
    pub(super) fn red(&self) -> &[[f64; 4]] {
        self.of(RED)
    }
}

/// Reads an annotation. Boxes without area are left out and noted in the result; boxes are clipped to the image.
///
/// # Errors
/// When the file cannot be read, is not UTF-8 or XML, or has wrong numbers, unknown classes or boxes outside the image;
/// all problems of an XML file are reported.
pub(super) fn read(path: &Path) -> Result<Smear, ImportError> {
    let text = read_text(path)?;
    let document =
        parse(&text).map_err(|(what, line)| Problem::new(path, what, "use the data set's own file").at_row(line))?;
    let mut reader = Reader { path, document: &document, problems: Vec::new() };
    let root = document.root_element();
    let size = child(root, "size");
    let [width, height] = ["width", "height"].map(|field| reader.number(size.unwrap_or(root), field));
    let mut smear = Smear { size: [width as u32, height as u32], boxes: Default::default(), ignored: Vec::new() };
    for object in root.children().filter(|node| node.has_tag_name("object")) {
        let name = child(object, "name").and_then(|node| node.text()).unwrap_or_default().trim();
        let Some(class) = CELLS.iter().position(|cell| cell.name == name) else {
            reader.problem(object, "name", format!("{name:?} is not a class of cells"), "use RBC, WBC or Platelets");
            continue;
        };
        let corners = child(object, "bndbox").unwrap_or(object);
        let [x0, y0, x1, y1] = ["xmin", "ymin", "xmax", "ymax"].map(|field| reader.number(corners, field));
        // Corners are pixels counted from 1 and both inside the box; a few boxes begin at 0.
        let bounds = [(x0 - 1.0).max(0.0), (y0 - 1.0).max(0.0), x1.min(width), y1.min(height)];
        if x0 >= x1 || y0 >= y1 {
            smear.ignored.push(format!("a box of class {name} ignored: it has no area, at ({x0}, {y0})"));
        } else if bounds[0] >= bounds[2] || bounds[1] >= bounds[3] {
            reader.problem(corners, "bndbox", "the box lies outside the image".into(), "correct the box, or remove it");
        } else {
            smear.boxes[class].push(bounds);
        }
    }
    if reader.problems.is_empty() { Ok(smear) } else { Err(Problems(reader.problems).into()) }
}

struct Reader<'a> {
    path: &'a Path,
    document: &'a Document<'a>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Returns the number in the child `field` of `node`. Reports a problem and returns 0 when there is no
    /// valid number.
    fn number(&mut self, node: Node<'_, '_>, field: &str) -> f64 {
        let text = child(node, field).and_then(|node| node.text()).unwrap_or_default().trim().to_owned();
        match text.parse::<f64>() {
            Ok(number) if (0.0..=1e6).contains(&number) => number,
            _ => {
                self.problem(node, field, format!("{text:?} is not a number of pixels"), "give pixels, 0 or more");
                0.0
            }
        }
    }

    fn problem(&mut self, node: Node<'_, '_>, field: &str, what: String, advice: &str) {
        let row = self.document.text_pos_at(node.range().start).row as usize;
        self.problems.push(Problem::new(self.path, what, advice).at_row(row).in_field(field));
    }
}

fn child<'a, 'b>(node: Node<'a, 'b>, name: &str) -> Option<Node<'a, 'b>> {
    node.children().find(|child| child.has_tag_name(name))
}
