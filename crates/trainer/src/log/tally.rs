//! Sums of losses over steps, reported as means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Sums of losses over supervised tokens, by clinical stage, and over questions, by objective.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of losses in nats and number of tokens, by stage.
    stages: BTreeMap<u8, (f64, u64)>,
    /// Sum of losses and number of questions, by objective.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    objectives: BTreeMap<String, (f64, u64)>,
}

impl Tally {
    /// Adds the loss, in nats, of one supervised token of a question of the clinical stage `stage`.
    pub fn add(&mut self, stage: u8, loss: f64) {
        let sum = self.stages.entry(stage).or_default();
        *sum = (sum.0 + loss, sum.1 + 1);
    }

    /// Adds the loss of the objective `name` at a question, without its factor.
    pub fn add_objective(&mut self, name: &str, loss: f64) {
        let sum = self.objectives.entry(name.to_owned()).or_default();
        *sum = (sum.0 + loss, sum.1 + 1);
    }

    /// Adds the sums of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (stage, (loss, tokens)) in &other.stages {
            let sum = self.stages.entry(*stage).or_default();
            *sum = (sum.0 + loss, sum.1 + tokens);
        }
        for (name, (loss, questions)) in &other.objectives {
            let sum = self.objectives.entry(name.clone()).or_default();
            *sum = (sum.0 + loss, sum.1 + questions);
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

    /// Computes the mean loss of each objective over the questions that it applied to; objectives without questions are
    /// left out.
    #[must_use]
    pub fn objective_loss(&self) -> BTreeMap<String, f64> {
        let mean = |(name, (loss, questions)): (&String, &(f64, u64))| (name.clone(), loss / *questions as f64);
        self.objectives.iter().map(mean).collect()
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

    #[test]
    fn every_question_of_an_objective_counts_equally() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        assert_eq!(serde_json::to_string(&one).expect("JSON"), "{\"stages\":{}}", "as before there were objectives");
        one.add_objective("dpo", 3.0);
        other.add_objective("dpo", 1.0);
        other.add_objective("pair", 5.0);
        one.merge(&other);
        assert_eq!(one.objective_loss(), BTreeMap::from([("dpo".to_owned(), 2.0), ("pair".to_owned(), 5.0)]));
        let again: Tally = serde_json::from_str(&serde_json::to_string(&one).expect("JSON")).expect("the same");
        assert_eq!(again, one);
    }
}
