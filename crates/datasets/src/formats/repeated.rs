//! Repeated and contradicting questions about the same images.

use std::collections::{BTreeMap, BTreeSet};

use super::kept::KeptRow;
use super::report::FormatReport;

/// Keeps repeated questions once, and leaves out all that contradict each other. Counts both in `report`. Rows without
/// a question are left out.
pub(super) fn resolve(rows: Vec<KeptRow>, report: &mut FormatReport) -> Vec<KeptRow> {
    type Key = (Vec<usize>, (Vec<String>, Vec<String>));
    let mut asked: BTreeMap<Key, Vec<(usize, usize)>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        for index in 0..row.questions.len() {
            asked.entry((row.images.clone(), row.key(index))).or_default().push((place, index));
        }
    }
    let mut dropped: BTreeMap<(usize, usize), &str> = BTreeMap::new();
    for places in asked.values().filter(|places| places.len() > 1) {
        let answers: BTreeSet<String> = places.iter().map(|(place, index)| rows[*place].answer(*index)).collect();
        match answers.len() {
            1 => dropped.extend(places[1..].iter().map(|place| (*place, "repeated"))),
            _ => dropped.extend(
                places.iter().map(|place| (*place, "another answer to the same question about the same image")),
            ),
        }
    }
    let mut kept = Vec::new();
    for (place, mut row) in rows.into_iter().enumerate() {
        let mut first: Option<&str> = None;
        let mut moved: Vec<Option<usize>> = Vec::new();
        let mut questions = Vec::new();
        for (index, mut question) in std::mem::take(&mut row.questions).into_iter().enumerate() {
            if let Some(reason) = dropped.get(&(place, index)) {
                report.questions.left_out.add(*reason, row.place.short());
                first = first.or(Some(*reason));
                // Later turns continue the turn before the dropped one.
                moved.push(question.parent.and_then(|parent| moved[parent]));
                continue;
            }
            question.parent = question.parent.and_then(|parent| moved[parent]);
            moved.push(Some(questions.len()));
            questions.push(question);
        }
        if questions.is_empty() {
            report.rows.left_out.add(first.unwrap_or("without a question"), row.place.short());
        } else {
            row.questions = questions;
            kept.push(row);
        }
    }
    kept
}
