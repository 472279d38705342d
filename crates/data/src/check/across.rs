//! Rules between cases: case ids are unique, groups and images are on one side of the split, and equal questions on
//! equal images have answers that do not contradict each other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Files;
use crate::answer_text::fold;
use crate::case::{Answer, Case, Item, Split};
use crate::dataset::Dataset;
use crate::dhash::{parse_phash, phash};
use crate::near_duplicates::{self, Thumbnail};
use crate::problem::Problem;

pub(super) fn check(dataset: &Dataset, files: Files, problems: &mut Vec<Problem>) {
    let mut report = |place: usize, field: String, what: String, advice: &str| {
        problems.push(Problem::new(&dataset.file, what, advice).at_row(place + 1).in_field(field));
    };
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    let mut digests: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, case) in dataset.cases.iter().enumerate() {
        let other_side = |first: usize| dataset.cases[first].split != case.split;
        if let Some(first) = first(&mut ids, &case.case_id, place) {
            let what = format!("\"{}\" is already used in row {}", case.case_id, first + 1);
            report(place, "case_id".into(), what, "give each case its own id");
        }
        if let Some(first) = first(&mut groups, &case.group_id, place).filter(|first| other_side(*first)) {
            let what = format!("group \"{}\" is in {}", case.group_id, sides(dataset, first, place));
            report(place, "split".into(), what, "keep a group on one side of the split");
        }
        for (index, image) in case.images.iter().enumerate() {
            if let Some(first) = first(&mut digests, &image.sha256, place).filter(|first| other_side(*first)) {
                let what = format!("the same image is in {}", sides(dataset, first, place));
                report(place, format!("images[{index}].sha256"), what, "keep an image on one side of the split");
            }
        }
    }
    let near = if files == Files::Contents { near_duplicates(dataset) } else { Vec::new() };
    for (one, other, index) in near {
        let what = format!("a near-duplicate image is in {}", sides(dataset, one, other));
        report(other, format!("images[{index}].phash"), what, "put both cases into one group, on one side");
    }
    for (first, place, index) in contradictions(dataset) {
        let what = format!("row {} has another answer to the same question about the same image", first + 1);
        report(place, format!("chain[{index}].answer.gold"), what, "correct one of them, or remove both");
    }
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

fn sides(dataset: &Dataset, first: usize, place: usize) -> String {
    let name = |split: Split| match split {
        Split::Train => "train",
        Split::Validation => "validation",
        Split::Test => "test",
    };
    let [one, other] = [first, place].map(|place| name(dataset.cases[place].split));
    format!("{one} (row {}) and {other} (row {})", first + 1, place + 1)
}

/// Finds near-duplicate, but not equal, images on two sides of the split. Returns the indices of both cases and the
/// index of the image in the later case.
fn near_duplicates(dataset: &Dataset) -> Vec<(usize, usize, usize)> {
    let mut images = Vec::new();
    for (place, case) in dataset.cases.iter().enumerate() {
        for (index, image) in case.images.iter().enumerate() {
            // An image without a recorded hash must be compared too. Unreadable files are reported by the file checks.
            let recorded = image.phash.as_deref().and_then(parse_phash);
            let hash = recorded.or_else(|| dataset.picture(image).ok().as_ref().map(phash));
            images.extend(hash.map(|hash| (place, index, image, hash)));
        }
    }
    let hashes: Vec<u64> = images.iter().map(|image| image.3).collect();
    let wanted = |one: usize, other: usize| {
        let [one, other] = [&images[one], &images[other]];
        one.2.sha256 != other.2.sha256 && dataset.cases[one.0].split != dataset.cases[other.0].split
    };
    let thumbnail = |place: usize| dataset.picture(images[place].2).ok().as_ref().map(Thumbnail::of);
    let pairs = near_duplicates::near_duplicates(&hashes, wanted, thumbnail);
    pairs.into_iter().map(|(one, other)| (images[one].0, images[other].0, images[other].1)).collect()
}

/// Finds questions whose right answer contradicts the answer of an earlier question with the same images and wording.
/// Returns the indices of both cases and the index of the question in the later case.
fn contradictions(dataset: &Dataset) -> Vec<(usize, usize, usize)> {
    /// Digests of the images, and the normalised wording.
    type Question<'a> = (Vec<&'a str>, String);
    let mut asked: BTreeMap<Question, Vec<(usize, &Item)>> = BTreeMap::new();
    let mut found = Vec::new();
    for (place, case) in dataset.cases.iter().enumerate() {
        let images: Vec<&str> = case.images.iter().map(|image| image.sha256.as_str()).collect();
        for (index, item) in case.chain.iter().enumerate() {
            let earlier = asked.entry((images.clone(), fold(&item.question))).or_default();
            if let Some((first, _)) =
                earlier.iter().find(|(first, other)| contradict((&dataset.cases[*first], other), (case, item)))
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
        (Answer::Number { gold: a, abs_tol, rel_tol, .. }, Answer::Number { gold: b, .. }) => {
            (a - b).abs() > abs_tol.unwrap_or(0.0).max(rel_tol.unwrap_or(0.0) * a.abs())
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
