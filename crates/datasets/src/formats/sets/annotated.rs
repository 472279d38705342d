//! Questions about images with boxes of classes.

use std::collections::BTreeMap;

use stepwise_data::case::RegionRole;

use super::super::entry::{Gold, GoldForm, ImageRef, Question, RegionDraft, Row, Unit};
use super::super::record::Place;

/// A box of a class.
pub(super) struct ClassBox {
    /// Index of the class.
    pub(super) class: usize,
    /// Corners `[x0, y0, x1, y1]`.
    pub(super) bounds: [f64; 4],
}

/// Returns the row of an image. For each class with a box it asks for the boxes; where all boxes of the class are
/// known (`is_complete` of the class), it also asks whether each class is shown and how many boxes of it there are.
pub(super) fn row(
    place: Place,
    image: ImageRef,
    classes: &[String],
    boxes: &[ClassBox],
    unit: Unit,
    is_complete: &dyn Fn(usize) -> bool,
) -> Row {
    let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, one) in boxes.iter().enumerate() {
        by_class.entry(one.class).or_default().push(index);
    }
    let mut questions = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        let found = by_class.get(&class).cloned().unwrap_or_default();
        let asks = |kind: &str| vec![("asks".to_owned(), kind.to_owned()), ("class".to_owned(), name.clone())];
        if is_complete(class) {
            let answer = if found.is_empty() { "no" } else { "yes" };
            questions.push(Question {
                text: format!("Does this image show {name}?"),
                golds: vec![Gold::new("class", answer, GoldForm::Text)],
                evidence: found.clone(),
                fields: asks("presence"),
                ..Question::default()
            });
        }
        if found.is_empty() {
            continue;
        }
        if is_complete(class) {
            questions.push(Question {
                text: format!("How many boxes of {name} does this image need?"),
                golds: vec![Gold::new("class", found.len().to_string(), GoldForm::Text)],
                evidence: found.clone(),
                fields: asks("count"),
                ..Question::default()
            });
        }
        let text = match found.len() {
            1 => format!("Draw the box around {name}."),
            _ => format!("Draw a box around each {name}."),
        };
        questions.push(Question {
            text,
            evidence: found.clone(),
            boxes: found,
            fields: asks("box"),
            ..Question::default()
        });
    }
    let regions = boxes.iter().map(|one| RegionDraft {
        image: 0,
        label: classes[one.class].clone(),
        bounds: one.bounds,
        unit,
        role: RegionRole::Finding,
    });
    let regions = regions.collect();
    Row { regions, ..Row::new(place, vec![image], questions) }
}

/// Returns a class name as words.
pub(super) fn words(name: &str) -> String {
    name.trim().replace('_', " ")
}
