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

/// What is known of the boxes of a class on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// All boxes. A class without a box is absent.
    All,
    /// All boxes of a class that has one. A class without a box may be there.
    Shown,
    /// Some of the boxes, so that an answer would be incomplete.
    Partly,
}

/// Returns the row of an image. For each class of which all boxes are `known` it asks whether the class is shown, how many
/// boxes of it there are, and for the boxes; of [`Known::Shown`] only for the boxes.
pub(super) fn row(
    place: Place,
    image: ImageRef,
    classes: &[String],
    boxes: &[ClassBox],
    unit: Unit,
    known: &dyn Fn(usize) -> Known,
) -> Row {
    let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, one) in boxes.iter().enumerate() {
        by_class.entry(one.class).or_default().push(index);
    }
    let mut questions = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        let found = by_class.get(&class).cloned().unwrap_or_default();
        let known = known(class);
        let asks = |kind: &str| vec![("asks".to_owned(), kind.to_owned()), ("class".to_owned(), name.clone())];
        if known == Known::All {
            let answer = if found.is_empty() { "no" } else { "yes" };
            questions.push(Question {
                text: format!("Does this image show {name}?"),
                golds: vec![Gold::new("class", answer, GoldForm::Text)],
                evidence: found.clone(),
                fields: asks("presence"),
                ..Question::default()
            });
        }
        if found.is_empty() || known == Known::Partly {
            continue;
        }
        if known == Known::All {
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
