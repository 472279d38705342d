//! Reads `order` (`"stepwise"`, `[3, 1, 4, 2]`, ...): one word or a list that makes the phases. All orders have the
//! same training budget.

use rand::seq::SliceRandom;
use serde::{Serialize, Serializer};
use stepwise_config::document::Value;
use stepwise_config::kind::ValueKind;
use stepwise_config::section::Section;
use stepwise_data::random::stream;

/// Order in which the clinical stages, 1 to 4, are trained. All orders take the same number of optimiser steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// One stage after the other, from the first to the last.
    Stepwise,
    /// One stage after the other, from the last to the first.
    Reverse,
    /// Stage 1, then stages 1 and 2, then stages 1 to 3, then all.
    Cumulative,
    /// All stages together, shuffled.
    Shuffled,
    /// All stages together, in turns.
    RoundRobin,
    /// All stages together, drawn from the easiest visits first and then from a growing part of all visits.
    Competence,
    /// One stage after the other, in an order drawn with the seed of the run.
    Random,
    /// The listed stages, one after the other, each once. Stages that are not listed are not trained.
    Listed(Vec<u8>),
}

/// Every word with its order.
const WORDS: [(&str, Order); 7] = [
    ("stepwise", Order::Stepwise),
    ("reverse", Order::Reverse),
    ("cumulative", Order::Cumulative),
    ("shuffled", Order::Shuffled),
    ("round_robin", Order::RoundRobin),
    ("competence", Order::Competence),
    ("random", Order::Random),
];

const HELP: &str = "Makes the phases, instead of `[[curriculum.phase]]`. All orders take the same number of steps and divide them equally \
    among their phases. One stage after the other: first to last (stepwise), last to first (reverse), in a random order (random), or as \
    listed (`[3, 1, 4, 2]`; `[4]` trains the last stage alone). Each stage added to the earlier ones (cumulative). All stages together: \
    in random order (shuffled), in turns (round_robin), or easy before hard (competence).";

/// Reads `order`, a word or a list of stages. Returns None when it is not written or wrong, which is reported.
pub(super) fn read(section: &mut Section<'_>) -> Option<Order> {
    let words = ValueKind::Word(WORDS.iter().map(|(word, _)| *word).collect());
    let accepts = ValueKind::Either(vec![words, ValueKind::list(ValueKind::Integer(1, 4))]);
    let said = format!(
        "{}, or a list of stages, each 1, 2, 3 or 4 and named once",
        WORDS.map(|(word, _)| format!("\"{word}\"")).join(", ")
    );
    let node = section.take("order", accepts.called(&said), None, HELP)?;
    match &node.value {
        Value::Text(written) => {
            if let Some((_, order)) = WORDS.iter().find(|(word, _)| word == written) {
                return Some(order.clone());
            }
            let help = match stepwise_config::nearest::nearest(written, WORDS.iter().map(|(word, _)| *word)) {
                Some(word) => format!("did you mean \"{word}\"? `order` is {said}"),
                None => format!("`order` is {said}"),
            };
            section.report(Some(&node.at), format!("`order` cannot be \"{written}\""), help);
        }
        Value::List(elements) => {
            let stage = |element: &stepwise_config::document::Node| match element.value {
                Value::Integer(stage @ 1..=4) => Some(stage as u8),
                _ => None,
            };
            let stages: Option<Vec<u8>> = elements.iter().map(stage).collect();
            match stages {
                Some(stages) if !stages.is_empty() && (1..stages.len()).all(|n| !stages[..n].contains(&stages[n])) => {
                    return Some(Order::Listed(stages));
                }
                _ => section.report(
                    Some(&node.at),
                    "`order` must list at least one stage, and each stage once",
                    format!("write {said}"),
                ),
            }
        }
        _ => section.mismatch(&node, "order", &said),
    }
    None
}

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self, WORDS.iter().find(|(_, order)| order == self)) {
            (Self::Listed(stages), _) => stages.serialize(serializer),
            (_, Some((word, _))) => word.serialize(serializer),
            (_, None) => unreachable!("every order except a list has a word"),
        }
    }
}

impl Order {
    /// Returns the stages of each phase, 1 to 4, in the order of training. The phases share the run's steps equally.
    /// `seed` decides [`Order::Random`] alone.
    #[must_use]
    pub fn stages(&self, seed: u64) -> Vec<Vec<u8>> {
        let one_by_one = |stages: [u8; 4]| stages.map(|stage| vec![stage]).to_vec();
        match self {
            Self::Stepwise => one_by_one([1, 2, 3, 4]),
            Self::Reverse => one_by_one([4, 3, 2, 1]),
            Self::Cumulative => (1..=4).map(|last| (1..=last).collect()).collect(),
            Self::Shuffled | Self::RoundRobin | Self::Competence => vec![vec![1, 2, 3, 4]],
            Self::Random => {
                let mut stages = [1, 2, 3, 4];
                stages.shuffle(&mut stream(seed, &["order of stages"]));
                one_by_one(stages)
            }
            Self::Listed(stages) => stages.iter().map(|stage| vec![*stage]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_order_holds_every_stage_once_and_seeds_differ() {
        let orders: Vec<Vec<Vec<u8>>> = (0..20).map(|seed| Order::Random.stages(seed)).collect();
        for order in &orders {
            let mut stages = order.concat();
            stages.sort_unstable();
            assert_eq!(stages, [1, 2, 3, 4]);
        }
        assert_ne!(orders[0..10], orders[10..20]);
        assert_eq!(orders[3], Order::Random.stages(3));
    }
}
