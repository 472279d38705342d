//! `order = "stepwise"`: phases by one word, every word at the same budget.

use rand::seq::SliceRandom;
use serde::Serialize;
use stepwise_curriculum::phase::Visits;
use stepwise_curriculum::random::stream;

use super::section::Choice;

/// In which order the clinical stages are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// One after the other, drawn from the seed.
    Random,
    /// The first alone.
    #[serde(rename = "only_1")]
    Only1,
    /// The second alone.
    #[serde(rename = "only_2")]
    Only2,
    /// The third alone.
    #[serde(rename = "only_3")]
    Only3,
    /// The fourth alone.
    #[serde(rename = "only_4")]
    Only4,
}

impl Choice for Option<Order> {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("stepwise", Some(Order::Stepwise)),
        ("reverse", Some(Order::Reverse)),
        ("cumulative", Some(Order::Cumulative)),
        ("joint", Some(Order::Joint)),
        ("balanced", Some(Order::Balanced)),
        ("competence", Some(Order::Competence)),
        ("random", Some(Order::Random)),
        ("only_1", Some(Order::Only1)),
        ("only_2", Some(Order::Only2)),
        ("only_3", Some(Order::Only3)),
        ("only_4", Some(Order::Only4)),
    ];
}

impl Order {
    /// The stages of each phase; the phases share the run's steps equally.
    #[must_use]
    pub fn stages(self, seed: u64) -> Vec<Vec<u8>> {
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
            Self::Only1 => vec![vec![1]],
            Self::Only2 => vec![vec![2]],
            Self::Only3 => vec![vec![3]],
            Self::Only4 => vec![vec![4]],
        }
    }

    /// What a visit to a case takes: one stage, so that equal steps see as many questions whatever the order.
    #[must_use]
    pub fn visits(self) -> Visits {
        match self {
            Self::Balanced => Visits::Balanced,
            Self::Competence => Visits::Competence,
            _ => Visits::Stage,
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
