//! Context of a question: its parents with their right answers.

use crate::case::{Case, Item};
use crate::prompt::{Known, gold_text};

/// Returns the parents of `item` with their right answers, in the order of the chain. Only direct parents are included.
#[must_use]
pub fn gold_context(case: &Case, item: &Item) -> Vec<Known> {
    let parents = case.chain.iter().filter(|other| item.parents.contains(&other.id));
    parents.map(|other| Known { question: other.question.clone(), answer: gold_text(case, other) }).collect()
}
