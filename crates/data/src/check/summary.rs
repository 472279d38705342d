//! Counts of a data set, and the accuracy that can be reached on it without looking at the images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::case::{Answer, Split};
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
        items_by_answer: count(items().map(|(_, item)| answer_type(&item.answer))),
        incomplete_chains: cases
            .iter()
            .filter(|case| (1..=4).any(|stage| case.chain.iter().all(|item| item.stage != stage)))
            .count(),
        chance: blind.overall.chance,
        majority: blind.overall.majority,
    }
}

fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

fn answer_type(answer: &Answer) -> AnswerType {
    match answer {
        Answer::Choice { .. } => AnswerType::Choice,
        Answer::Yesno { .. } => AnswerType::Yesno,
        Answer::Text { .. } => AnswerType::Text,
        Answer::Box { .. } => AnswerType::Box,
        Answer::Number { .. } => AnswerType::Number,
    }
}
