//! Questions whose answers a reader of vectors can learn: the same words are asked about several cases, and the answers
//! differ.

use std::collections::{BTreeMap, BTreeSet};

use stepwise_data::case::{Answer, Case, Item};

use crate::score::fold;

/// A question as it is asked about several cases.
pub struct Question<'a> {
    /// Words of the question.
    pub text: &'a str,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Id of the category in the taxonomy.
    pub category: &'a str,
    /// Items that ask the question.
    pub items: Vec<Asked>,
    /// Number of different right answers; they are numbered from 0 in the alphabetical order of their texts.
    pub classes: usize,
}

/// An item that asks a question about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Index of the case.
    pub case: usize,
    /// Number of the right answer.
    pub class: usize,
    /// Numbers of the answers that the item offers as options.
    pub offered: Vec<usize>,
}

/// Stage, category and folded words of a question.
type Key<'a> = (u8, &'a str, String);

/// Returns all choice and yes/no questions of `cases`, in the order of stage, category and words. Items with the same
/// words (up to case and white space) ask the same question.
pub fn questions(cases: &[Case]) -> Vec<Question<'_>> {
    let mut asked: BTreeMap<Key<'_>, Vec<(usize, &Item)>> = BTreeMap::new();
    for (number, case) in cases.iter().enumerate() {
        for item in case.chain.iter().filter(|item| answers(item).is_some()) {
            asked.entry((item.stage, &item.category, fold(&item.question))).or_default().push((number, item));
        }
    }
    asked.into_iter().map(|((stage, category, _), items)| question(stage, category, &items)).collect()
}

fn question<'a>(stage: u8, category: &'a str, items: &[(usize, &'a Item)]) -> Question<'a> {
    let answers: Vec<Answers> = items.iter().filter_map(|(_, item)| answers(item)).collect();
    let right: BTreeSet<&BTreeSet<String>> = answers.iter().map(|answers| &answers.right).collect();
    let classes: Vec<&BTreeSet<String>> = right.into_iter().collect();
    let asked = items.iter().zip(&answers).map(|((case, _), answers)| Asked {
        case: *case,
        class: classes.iter().position(|class| **class == answers.right).unwrap_or_default(),
        offered: (0..classes.len()).filter(|&class| classes[class].is_subset(&answers.options)).collect(),
    });
    Question {
        text: items.first().map_or("", |(_, item)| &item.question),
        stage,
        category,
        items: asked.collect(),
        classes: classes.len(),
    }
}

/// Folded texts of the options of an item, and those of the right ones.
struct Answers {
    options: BTreeSet<String>,
    right: BTreeSet<String>,
}

/// None for answers that are not chosen among options.
fn answers(item: &Item) -> Option<Answers> {
    match &item.answer {
        Answer::Choice { options, gold, .. } => Some(Answers {
            options: options.iter().map(|option| fold(option)).collect(),
            right: gold.iter().filter_map(|&index| options.get(index)).map(|option| fold(option)).collect(),
        }),
        Answer::Yesno { gold, .. } => {
            let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
            Some(Answers { options: [true, false].map(word).into(), right: [word(*gold)].into() })
        }
        Answer::Text { .. } | Answer::Box { .. } | Answer::Number { .. } => None,
    }
}
