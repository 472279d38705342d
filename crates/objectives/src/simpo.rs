//! Simple preference optimisation between the right option and rejected ones.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::logistic::logistic_loss;
use crate::objective::{Needs, Objective, POSITIVE, Term};
use crate::question::{Question, Shape, View};
use crate::rejected::Rejected;

/// Simple preference optimisation (SimPO, Meng et al. 2024), with the parameters of TRL's `CPOTrainer`:
/// `-log sigmoid(beta [s(chosen) / tokens - s(rejected) / tokens] - gamma)`. It needs no reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Simpo {
    /// Strength of the preference, above 0.
    pub beta: f64,
    /// Target margin, at least 0.
    pub gamma: f64,
    /// Rejected options.
    pub rejected: Rejected,
}

impl Objective for Simpo {
    const NAME: &'static str = "simpo";
    const ABOUT: &'static str = "Simple preference optimisation (Meng et al. 2024): the right option is preferred to rejected ones \
        in log-likelihood per token, by a margin. No reference is needed.";

    fn read(section: &mut Section<'_>) -> Self {
        Self {
            beta: section.float("beta", 2.0, POSITIVE, "Strength of the preference."),
            gamma: section.float("gamma", 0.5, 0.0.., "Target margin: `simpo_gamma` of TRL."),
            rejected: Rejected::read(section),
        }
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn applies(&self, shape: &Shape) -> bool {
        self.rejected.applies(shape)
    }

    fn term(&self, question: &Question) -> Term {
        let scores = question.under(View::Shown);
        let (gold, per_token) = (question.shape.gold, scores.per_token());
        let length = |option: usize| scores.tokens[option] as f64;
        let rejected = self.rejected.options(question);
        let share = 1.0 / rejected.len() as f64;
        let mut term = Term::constant(question, 0.0);
        for option in rejected {
            let (loss, derivative) = logistic_loss(self.beta * (per_token[gold] - per_token[option]) - self.gamma);
            let derivative = share * self.beta * derivative;
            term.loss += share * loss;
            term.add(View::Shown, gold, derivative / length(gold));
            term.add(View::Shown, option, -derivative / length(option));
        }
        term
    }
}
