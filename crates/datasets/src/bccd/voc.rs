//! A Pascal VOC annotation of a blood smear.

use std::path::Path;

use roxmltree::{Document, Node};
use stepwise_data::problem::{Problem, Problems};

use crate::ImportError;
use crate::output::read_text;

/// A class of cells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// As in the annotations.
    pub(super) name: &'static str,
    /// One of them, as we say it.
    pub(super) label: &'static str,
    /// Begins the ids of their regions.
    prefix: &'static str,
}

pub(super) const WHITE: &Cell = &Cell { name: "WBC", label: "white blood cell", prefix: "wbc" };
pub(super) const RED: &Cell = &Cell { name: "RBC", label: "red blood cell", prefix: "rbc" };
pub(super) const PLATELET: &Cell = &Cell { name: "Platelets", label: "platelet", prefix: "platelet" };
pub(super) const CELLS: [&Cell; 3] = [WHITE, RED, PLATELET];

/// Id of the region of a class's cell number `place`, from 0.
pub(super) fn id(cell: &Cell, place: usize) -> String {
    format!("{}-{}", cell.prefix, place + 1)
}

/// The boxes of a smear, `[x0, y0, x1, y1]`, half-open, by class.
pub(super) struct Smear {
    /// Pixels across and down.
    pub(super) size: [u32; 2],
    boxes: [Vec<[f64; 4]>; 3],
    /// Boxes that mark nothing.
    pub(super) ignored: Vec<String>,
}

impl Smear {
    pub(super) fn of(&self, cell: &Cell) -> &[[f64; 4]] {
        CELLS.iter().position(|other| *other == cell).map_or(&[], |place| &self.boxes[place])
    }

    pub(super) fn white(&self) -> &[[f64; 4]] {
        self.of(WHITE)
    }

    pub(super) fn red(&self) -> &[[f64; 4]] {
        self.of(RED)
    }

    pub(super) fn platelets(&self) -> &[[f64; 4]] {
        self.of(PLATELET)
    }
}

/// Reads an annotation; all its problems at once.
pub(super) fn read(path: &Path) -> Result<Smear, ImportError> {
    let text = read_text(path)?;
    let document = Document::parse(&text).map_err(|error| {
        let row = error.pos().row as usize;
        Problem::new(path, format!("is not XML: {error}"), "use the set's own file").at_row(row)
    })?;
    let mut reader = Reader { path, document: &document, problems: Vec::new() };
    let root = document.root_element();
    let size = child(root, "size");
    let [width, height] = ["width", "height"].map(|field| reader.number(size.unwrap_or(root), field));
    let mut smear = Smear { size: [width as u32, height as u32], boxes: Default::default(), ignored: Vec::new() };
    for object in root.children().filter(|node| node.has_tag_name("object")) {
        let name = child(object, "name").and_then(|node| node.text()).unwrap_or_default().trim();
        let Some(class) = CELLS.iter().position(|cell| cell.name == name) else {
            reader.problem(object, "name", format!("{name:?} is no class of cells"), "use RBC, WBC or Platelets");
            continue;
        };
        let corners = child(object, "bndbox").unwrap_or(object);
        let [x0, y0, x1, y1] = ["xmin", "ymin", "xmax", "ymax"].map(|field| reader.number(corners, field));
        // Corners are pixels counted from 1, both inside; a few boxes begin at 0.
        let bounds = [(x0 - 1.0).max(0.0), (y0 - 1.0).max(0.0), x1.min(width), y1.min(height)];
        if x0 >= x1 || y0 >= y1 {
            smear.ignored.push(format!("a box of class {name} ignored: it is but a point at ({x0}, {y0})"));
        } else if bounds[0] >= bounds[2] || bounds[1] >= bounds[3] {
            reader.problem(corners, "bndbox", "the box lies outside the image".into(), "mark it anew, or remove it");
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
    /// The number in a child of `node`; 0 and a problem when there is none.
    fn number(&mut self, node: Node<'_, '_>, field: &str) -> f64 {
        let text = child(node, field).and_then(|node| node.text()).unwrap_or_default().trim().to_owned();
        match text.parse::<f64>() {
            Ok(number) if (0.0..=1e6).contains(&number) => number,
            _ => {
                self.problem(node, field, format!("{text:?} is no number of pixels"), "give pixels, 0 or more");
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

/// Counts from which the middle and the upper third of `counts` begin.
pub(super) fn terciles(counts: impl Iterator<Item = usize>) -> [usize; 2] {
    let mut counts: Vec<usize> = counts.collect();
    counts.sort_unstable();
    let at = |third: usize| counts.get(counts.len() * third / 3).copied().unwrap_or(1);
    // The lower third keeps at least the count of 1, and the middle one at least one count.
    let low = at(1).max(2);
    [low, at(2).max(low + 1)]
}

#[cfg(test)]
mod tests {
    use super::terciles;

    #[test]
    fn terciles_part_counts_into_thirds_that_are_not_empty() {
        assert_eq!(terciles(1..=9), [4, 7]);
        assert_eq!(terciles([5; 9].into_iter()), [5, 6]);
        assert_eq!(terciles([].into_iter()), [2, 3]);
    }
}
