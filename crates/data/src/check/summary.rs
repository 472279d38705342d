//! Counts of a data set, and the accuracy that can be reached on it without looking at the images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::case::{Answer, Case, Split};
use crate::dataset::Dataset;
use crate::synth::baselines;
use crate::taxonomy::AnswerType;

/// Counts and image-free baselines of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckSummary {
    /// Number of cases.
    pub cases: usize,
    /// Number of groups.
    pub groups: usize,
    /// Number of images, over all cases.
    pub images: usize,
    /// Number of regions.
    pub regions: usize,
    /// Number of questions.
    pub items: usize,
    /// Number of cases on each side of the split; a side without cases is left out, as are empty entries of the other
    /// maps.
    pub cases_by_split: BTreeMap<Split, usize>,
    /// Number of questions on each side of the split.
    pub items_by_split: BTreeMap<Split, usize>,
    /// Number of questions by stage.
    pub items_by_stage: BTreeMap<u8, usize>,
    /// Counts and baselines by category id; categories without questions are left out.
    pub categories: BTreeMap<String, CategoryCount>,
    /// Number of questions by answer type.
    pub items_by_answer: BTreeMap<AnswerType, usize>,
    /// Number of cases without a question of at least one stage.
    pub incomplete_chains: usize,
    /// Expected accuracy, 0 to 1, of a uniform draw from the options offered; 0 without questions. See
    /// [`crate::synth::baselines`].
    pub chance: f64,
    /// Accuracy, 0 to 1, of always giving the answer that was most often right in the other half of the cases;
    /// see [`crate::synth::baselines`].
    pub majority: f64,
    /// Questions that have one right answer in all cases of a side of the split, by side and question; none whose answer
    /// is a box.
    pub one_answer_questions: Vec<OneAnswerQuestion>,
}

/// A question without information on one side of the split: all of its items, two or more, have one right answer, so
/// a model that gives it needs no image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OneAnswerQuestion {
    /// Side of the split.
    pub split: Split,
    /// Text of the question.
    pub question: String,
    /// The right answer of all items, in words.
    pub gold: String,
    /// Number of items that ask the question on this side; at least 2.
    pub items: usize,
    /// Share of the side's items that ask the question, above 0 to 1.
    pub share: f64,
}

/// Count and image-free baselines of a category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CategoryCount {
    /// Number of questions of the category.
    pub items: usize,
    /// [`CheckSummary::chance`] within the category.
    pub chance: f64,
    /// [`CheckSummary::majority`] within the category.
    pub majority: f64,
}

/// Counts cases, images, regions and questions of a data set, and computes the accuracy that can be reached on it
/// without looking at the images; every question counts equally. Image files are not read.
#[must_use]
pub fn summary(dataset: &Dataset) -> CheckSummary {
    let cases = &dataset.cases;
    let items = || cases.iter().flat_map(|case| case.chain.iter().map(move |item| (case, item)));
    let blind = baselines(cases);
    let category = |(id, rate): (&String, &crate::synth::Rate)| {
        let count = CategoryCount { items: rate.items, chance: rate.chance, majority: rate.majority };
        (id.clone(), count)
    };
    CheckSummary {
        cases: cases.len(),
        groups: cases.iter().map(|case| &case.group_id).collect::<BTreeSet<_>>().len(),
        images: cases.iter().map(|case| case.images.len()).sum(),
        regions: cases.iter().map(|case| case.regions.len()).sum(),
        items: items().count(),
        cases_by_split: count(cases.iter().map(|case| case.split)),
        items_by_split: count(items().map(|(case, _)| case.split)),
        items_by_stage: count(items().map(|(_, item)| item.stage)),
        categories: blind.categories.iter().map(category).collect(),
        items_by_answer: count(items().map(|(_, item)| AnswerType::of(&item.answer))),
        incomplete_chains: cases
            .iter()
            .filter(|case| (1..=4).any(|stage| case.chain.iter().all(|item| item.stage != stage)))
            .count(),
        chance: blind.overall.chance,
        majority: blind.overall.majority,
        one_answer_questions: one_answer_questions(cases),
    }
}

/// First right answer in words; None for boxes, which are hardly ever equal in two cases, and for a record whose right
/// answer does not exist. Records with problems are summarised as well.
fn gold(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Choice { options, gold, .. } => options.get(*gold.first()?).cloned(),
        Answer::Yesno { gold, .. } => Some(if *gold { "yes" } else { "no" }.to_owned()),
        Answer::Text { gold, .. } => gold.first().cloned(),
        Answer::Number { gold, .. } => Some(gold.to_string()),
        Answer::Box { .. } => None,
    }
}

fn one_answer_questions(cases: &[Case]) -> Vec<OneAnswerQuestion> {
    let mut golds: BTreeMap<(Split, &str), BTreeMap<String, usize>> = BTreeMap::new();
    let mut of_split: BTreeMap<Split, usize> = BTreeMap::new();
    for case in cases {
        for item in &case.chain {
            *of_split.entry(case.split).or_default() += 1;
            if let Some(gold) = gold(&item.answer) {
                *golds.entry((case.split, &item.question)).or_default().entry(gold).or_default() += 1;
            }
        }
    }
    let one_answer = |((split, question), golds): ((Split, &str), BTreeMap<String, usize>)| {
        let only = golds.len() == 1;
        let (gold, items) = golds.into_iter().next().filter(|(_, items)| only && *items > 1)?;
        let share = items as f64 / of_split.get(&split).copied().unwrap_or(items) as f64;
        Some(OneAnswerQuestion { split, question: question.to_owned(), gold, items, share })
    };
    golds.into_iter().filter_map(one_answer).collect()
}

fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}
