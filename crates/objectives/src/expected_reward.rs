//! Expected reward over the options of a question.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::distribution::Distribution;
use crate::objective::{Needs, Objective, Term};
use crate::question::{Question, Shape, View};

/// Negative expected reward, `-sum_o P(o) r(o)`, with the reward `r(o) = [o is right] - mu [o is wrong and named]`. Over a
/// closed set of options the expectation is exact, so the policy gradient (Williams 1992) needs no sampling. The loss has
/// no unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ExpectedReward {
    /// Penalty of the wrong option that the condition names, at least 0.
    pub mu: f64,
}

impl Objective for ExpectedReward {
    const NAME: &'static str = "expected_reward";
    const ABOUT: &'static str = "Exact expected reward over the options: 1 for the right one, -mu for the wrong option that a \
        condition of `augment` names, 0 for others. A policy gradient without sampling.";

    fn read(section: &mut Section<'_>) -> Self {
        Self { mu: section.float("mu", 1.0, 0.0.., "Penalty of the wrong option that a condition names.") }
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn applies(&self, shape: &Shape) -> bool {
        shape.options > 0
    }

    fn term(&self, question: &Question) -> Term {
        let distribution = Distribution::of(question.under(View::Shown));
        let Shape { gold, named, .. } = question.shape;
        let reward =
            |option: usize| f64::from(u8::from(option == gold)) - if Some(option) == named { self.mu } else { 0.0 };
        let outer: Vec<f64> =
            distribution.probabilities.iter().enumerate().map(|(option, p)| -p * reward(option)).collect();
        let mut term = Term::constant(question, outer.iter().sum());
        term.add_all(View::Shown, &distribution.gradient(&outer));
        term
    }
}
