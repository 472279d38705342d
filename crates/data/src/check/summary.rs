//! What a data set holds, and what could be scored on it without looking.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::case::{Answer, Split};
use crate::dataset::Dataset;
use crate::synth::baselines;
use crate::taxonomy::AnswerType;

/// Counts of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Cases.
    pub cases: usize,
    /// Groups that stay on one side of the split.
    pub groups: usize,
    /// Images.
    pub images: usize,
    /// Regions.
    pub regions: usize,
    /// Questions.
    pub items: usize,
    /// Cases on each side of the split.
    pub cases_by_split: BTreeMap<Split, usize>,
    /// Questions on each side of the split.
    pub items_by_split: BTreeMap<Split, usize>,
    /// Questions of each stage.
    pub items_by_stage: BTreeMap<u8, usize>,
    /// Questions of each category, by id.
    pub categories: BTreeMap<String, CategoryCount>,
    /// Questions by type of answer.
    pub items_by_answer: BTreeMap<AnswerType, usize>,
    /// Cases that lack a question of at least one stage.
    pub incomplete_chains: usize,
    /// Expected share of questions answered rightly by a uniform draw from what is offered.
    pub chance: f64,
    /// Share answered rightly by giving each question the answer most often right in other cases.
    pub majority: f64,
}

/// Counts of a category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CategoryCount {
    /// Questions.
    pub items: usize,
    /// As [`Summary::chance`], within the category.
    pub chance: f64,
    /// As [`Summary::majority`], within the category.
    pub majority: f64,
}

/// Counts what `dataset` holds.
#[must_use]
pub fn summary(dataset: &Dataset) -> Summary {
    let cases = &dataset.cases;
    let items = || cases.iter().flat_map(|case| case.chain.iter().map(move |item| (case, item)));
    let blind = baselines(cases);
    let category = |(id, rate): (&String, &crate::synth::Rate)| {
        let count = CategoryCount { items: rate.items, chance: rate.chance, majority: rate.majority };
        (id.clone(), count)
    };
    Summary {
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
