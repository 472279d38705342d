//! Sums of losses over steps, reported as means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Sums of losses over supervised tokens, by clinical stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of losses in nats and number of tokens, by stage.
    stages: BTreeMap<u8, (f64, u64)>,
}

impl Tally {
    /// Adds the loss, in nats, of one supervised token of a question of the clinical stage `stage`.
    pub fn add(&mut self, stage: u8, loss: f64) {
        let sum = self.stages.entry(stage).or_default();
        *sum = (sum.0 + loss, sum.1 + 1);
    }

    /// Adds the sums of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (stage, (loss, tokens)) in &other.stages {
            let sum = self.stages.entry(*stage).or_default();
            *sum = (sum.0 + loss, sum.1 + tokens);
        }
    }

    /// Returns the number of tokens of all stages.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.stages.values().map(|(_, tokens)| tokens).sum()
    }

    /// Computes the mean loss over all tokens, in nats; 0 without tokens.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.stages.values().map(|(loss, _)| loss).sum::<f64>() / self.tokens().max(1) as f64
    }

    /// Computes the mean loss over the tokens of each stage, in nats; stages without tokens are left out.
    #[must_use]
    pub fn stage_loss(&self) -> BTreeMap<u8, f64> {
        self.stages.iter().map(|(stage, (loss, tokens))| (*stage, loss / *tokens as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_counts_equally() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        one.add(1, 3.0);
        other.add(1, 1.0);
        other.add(2, 5.0);
        one.merge(&other);
        assert_eq!((one.loss(), one.tokens()), (3.0, 3));
        assert_eq!(one.stage_loss(), BTreeMap::from([(1, 2.0), (2, 5.0)]));
        assert_eq!(Tally::default().loss(), 0.0);
    }
}
