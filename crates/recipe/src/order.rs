//! `order = "stepwise"`, `order = [3, 1, 4, 2]`: phases by one word or a list, all at the same budget.

use rand::seq::SliceRandom;
use serde::{Serialize, Serializer};
use stepwise_config::document::Value;
use stepwise_config::kind::ValueKind;
use stepwise_config::section::Section;
use stepwise_data::random::stream;

/// In which order the clinical stages are learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other, from the first.
    Stepwise,
    /// One after the other, from the last.
    Reverse,
    /// The first; the first two; the first three; all.
    Cumulative,
    /// All together, shuffled.
    Joint,
    /// All together, in turns.
    Balanced,
    /// All together, drawn from the easiest first and from more and more of them.
    Competence,
    /// One after the other, as the seed draws them.
    Random,
    /// One after the other as they are listed, each once; those that are missing are not learned.
    Listed(Vec<u8>),
}

/// The words, with what they stand for.
const WORDS: [(&str, Order); 7] = [
    ("stepwise", Order::Stepwise),
    ("reverse", Order::Reverse),
    ("cumulative", Order::Cumulative),
    ("joint", Order::Joint),
    ("balanced", Order::Balanced),
    ("competence", Order::Competence),
    ("random", Order::Random),
];

const HELP: &str = "Phases by one word instead of `[[curriculum.phase]]`; all orders take as many steps and share them equally. The \
    stages one after the other (stepwise), from the last to the first (reverse), as the seed draws them (random), as a list has them \
    (such as [3, 1, 4, 2]; [4] is the last stage alone) or each added to those before (cumulative); all together, shuffled (joint), in \
    turns (balanced), or easy before hard (competence).";

/// Reads `order`.
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
                    "`order` lists no stages that can follow one another",
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
            (_, None) => unreachable!("every order but a list has a word"),
        }
    }
}

impl Order {
    /// The stages of each phase; the phases share the run's steps equally.
    #[must_use]
    pub fn stages(&self, seed: u64) -> Vec<Vec<u8>> {
        let one_by_one = |stages: [u8; 4]| stages.map(|stage| vec![stage]).to_vec();
        match self {
            Self::Stepwise => one_by_one([1, 2, 3, 4]),
            Self::Reverse => one_by_one([4, 3, 2, 1]),
            Self::Cumulative => (1..=4).map(|last| (1..=last).collect()).collect(),
            Self::Joint | Self::Balanced | Self::Competence => vec![vec![1, 2, 3, 4]],
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
