//! Rules between cases: case ids are unique, groups and images are on one side of the split, and equal questions on
//! equal images have answers that do not contradict each other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use crate::answer_text::fold;
use crate::case::{Answer, Case, Item};
use crate::dataset::Dataset;
use crate::problem::Problem;

/// A case with the place where it is written. Cases of several files can be checked together.
#[derive(Clone, Copy, Debug)]
pub struct PlacedCase<'a> {
    /// Path of the case file.
    pub file: &'a Path,
    /// Row in the file, from 1.
    pub row: usize,
    /// The case.
    pub case: &'a Case,
}

impl<'a> PlacedCase<'a> {
    /// Returns the cases of a data set in their order.
    pub fn all(dataset: &'a Dataset) -> impl Iterator<Item = Self> {
        dataset.cases.iter().zip(1..).map(|(case, row)| Self { file: &dataset.file, row, case })
    }

    fn problem(&self, field: String, what: String, advice: &str) -> Problem {
        Problem::new(self.file, what, advice).at_row(self.row).in_field(field)
    }

    /// Returns the rows of the `others` that are other cases of the same file.
    pub(super) fn other_rows<'b>(&self, others: impl IntoIterator<Item = &'b PlacedCase<'b>>) -> Vec<usize> {
        let others = others.into_iter().filter(|other| other.file == self.file && other.row != self.row);
        others.map(|other| other.row).collect()
    }
}

/// Checks the rules between cases that need no image file, and returns the problems in the order of the cases: a case
/// id that is used twice, a group or an image (by its recorded digest) on two sides of the split, and two different
/// right answers to the same question about the same images. Each problem is reported once, at the later one of two
/// cases.
#[must_use]
pub fn between(cases: &[PlacedCase<'_>]) -> Vec<Problem> {
    let mut problems: Vec<(usize, Problem)> = Vec::new();
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: BTreeMap<&str, Vec<Side>> = BTreeMap::new();
    let mut digests: BTreeMap<&str, Vec<Side>> = BTreeMap::new();
    for (place, placed) in cases.iter().enumerate() {
        let case = placed.case;
        if let Some(first) = first(&mut ids, &case.case_id, place) {
            let what = format!("\"{}\" is already used in {}", case.case_id, row(&cases[first], placed));
            let problem = placed.problem("case_id".into(), what, "give each case its own id");
            problems.push((place, problem.with_other_rows(placed.other_rows([&cases[first]]))));
        }
        let add = |known: &mut Vec<Side>, image| match known
            .iter_mut()
            .find(|side| cases[side.first].case.split == case.split)
        {
            Some(side) => side.count += 1,
            None => known.push(Side { first: place, image, count: 1 }),
        };
        add(groups.entry(&case.group_id).or_default(), 0);
        for (index, image) in case.images.iter().enumerate() {
            add(digests.entry(&image.sha256).or_default(), index);
        }
    }
    let on_sides = |known: &[Side]| {
        let reported = known.get(1)?;
        let all: Vec<(PlacedCase<'_>, usize)> = known.iter().map(|side| (cases[side.first], side.count)).collect();
        let rows = cases[reported.first].other_rows(all.iter().map(|(side, _)| side));
        Some((reported.first, reported.image, sides(&all), rows))
    };
    for (id, places) in &groups {
        if let Some((place, _, sides, rows)) = on_sides(places) {
            let what = format!("group \"{id}\" is in {sides}");
            let advice = "keep a group on one side of the split";
            let problem = cases[place].problem("split".into(), what, advice).as_leak();
            problems.push((place, problem.with_other_rows(rows)));
        }
    }
    for places in digests.values() {
        if let Some((place, index, sides, rows)) = on_sides(places) {
            let (field, what) = (format!("images[{index}].sha256"), format!("the same image is in {sides}"));
            let advice = "keep an image on one side of the split";
            let problem = cases[place].problem(field, what, advice).as_leak();
            problems.push((place, problem.with_other_rows(rows)));
        }
    }
    for (first, place, index) in contradictions(cases) {
        let other = row(&cases[first], &cases[place]);
        let what = format!("{other} has another answer to the same question about the same image");
        let (field, advice) = (format!("chain[{index}].answer.gold"), "correct one of them, or remove both");
        let rows = cases[place].other_rows([&cases[first]]);
        problems.push((place, cases[place].problem(field, what, advice).with_other_rows(rows)));
    }
    problems.sort_by_key(|(place, _)| *place);
    problems.into_iter().map(|(_, problem)| problem).collect()
}

/// Returns the index of the first case with this key; None, after recording `place`, when this case is the first.
fn first<'a>(seen: &mut BTreeMap<&'a str, usize>, key: &'a str, place: usize) -> Option<usize> {
    match seen.entry(key) {
        Entry::Occupied(entry) => Some(*entry.get()),
        Entry::Vacant(entry) => {
            entry.insert(place);
            None
        }
    }
}

/// Row of a case, with its file if the other case is in another one.
fn row(one: &PlacedCase<'_>, other: &PlacedCase<'_>) -> String {
    match one.file == other.file {
        true => format!("row {}", one.row),
        false => format!("{}:{}", one.file.display(), one.row),
    }
}

/// Cases of one group or image on one side of the split.
struct Side {
    /// Index of the first case.
    first: usize,
    /// Number of the image in the first case; 0 for a group.
    image: usize,
    /// Number of cases.
    count: usize,
}

/// Returns for a message the sides of the split, each with its first case and the number of its cases, as in
/// "train (row 1 and 2 more) and test (row 4)". The file of a row is named where it differs from the file of the second
/// side, at which the problem is reported.
pub(super) fn sides(first: &[(PlacedCase<'_>, usize)]) -> String {
    let reported = first.get(1).or(first.first());
    let place = |placed: &PlacedCase<'_>| reported.map_or_else(String::new, |(reported, _)| row(placed, reported));
    let side = |(placed, count): &(PlacedCase<'_>, usize)| {
        let more = if *count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        format!("{} ({}{more})", placed.case.split.word(), place(placed))
    };
    let all: Vec<String> = first.iter().map(side).collect();
    match all.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => all.concat(),
    }
}

/// Finds questions whose right answer contradicts the answer of an earlier question with the same images and wording.
/// Returns the indices of both cases and the index of the question in the later case.
fn contradictions(cases: &[PlacedCase<'_>]) -> Vec<(usize, usize, usize)> {
    /// Digests of the images, and the normalised wording.
    type Question<'a> = (Vec<&'a str>, String);
    let mut asked: BTreeMap<Question, Vec<(usize, &Item)>> = BTreeMap::new();
    let mut found = Vec::new();
    for (place, PlacedCase { case, .. }) in cases.iter().enumerate() {
        let images: Vec<&str> = case.images.iter().map(|image| image.sha256.as_str()).collect();
        for (index, item) in case.chain.iter().enumerate() {
            let earlier = asked.entry((images.clone(), fold(&item.question))).or_default();
            if let Some((first, _)) =
                earlier.iter().find(|(first, other)| contradict((cases[*first].case, other), (case, item)))
            {
                found.push((*first, place, index));
            }
            earlier.push((place, item));
        }
    }
    found
}

fn contradict(one: (&Case, &Item), other: (&Case, &Item)) -> bool {
    match (&one.1.answer, &other.1.answer) {
        (Answer::Choice { options: a, gold: right_a, .. }, Answer::Choice { options: b, gold: right_b, .. }) => {
            // A right option of one question must not be a wrong option of the other. Different options alone do not
            // contradict each other.
            let denied = |options: &[String], right: &[usize], others: &[String], others_right: &[usize]| {
                let wrong = others.iter().enumerate().filter(|(index, _)| !others_right.contains(index));
                let wrong: Vec<String> = wrong.map(|(_, text)| fold(text)).collect();
                right.iter().filter_map(|index| options.get(*index)).any(|text| wrong.contains(&fold(text)))
            };
            denied(a, right_a, b, right_b) || denied(b, right_b, a, right_a)
        }
        (Answer::Yesno { gold: a, .. }, Answer::Yesno { gold: b, .. }) => a != b,
        (Answer::Text { gold: a, aliases }, Answer::Text { gold: b, aliases: others }) => {
            let accepted: Vec<String> = b.iter().chain(others).map(|text| fold(text)).collect();
            !a.iter().chain(aliases).any(|text| accepted.contains(&fold(text)))
        }
        // As with texts, one of the two questions must accept the answer of the other.
        (
            Answer::Number { gold: a, abs_tol, rel_tol, .. },
            Answer::Number { gold: b, abs_tol: other_abs, rel_tol: other_rel, .. },
        ) => {
            let accepted = |gold: &f64, abs: &Option<f64>, rel: &Option<f64>| {
                (a - b).abs() <= abs.unwrap_or(0.0).max(rel.unwrap_or(0.0) * gold.abs())
            };
            !accepted(a, abs_tol, rel_tol) && !accepted(b, other_abs, other_rel)
        }
        (Answer::Box { gold: a, .. }, Answer::Box { gold: b, .. }) => {
            let boxes = |case: &Case, ids: &[String]| {
                let of = |id: &String| case.regions.iter().find(|region| region.id == *id).map(|r| r.shape.bounds());
                let mut boxes: Vec<_> = ids.iter().filter_map(of).collect();
                boxes.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
                boxes
            };
            boxes(one.0, a) != boxes(other.0, b)
        }
        // Answers of different types cannot be compared.
        _ => false,
    }
}
