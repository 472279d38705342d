//! What is known when a question is asked.

use crate::case::{Case, Item};
use crate::prompt::{Known, gold_text};

/// The questions that `item` builds on with their right answers, in the order of the chain.
#[must_use]
pub fn gold_context(case: &Case, item: &Item) -> Vec<Known> {
    let parents = case.chain.iter().filter(|other| item.parents.contains(&other.id));
    parents.map(|other| Known { question: other.question.clone(), answer: gold_text(case, other) }).collect()
}
