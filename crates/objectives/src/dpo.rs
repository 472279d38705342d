//! Direct preference optimisation between the right option and rejected ones.

use serde::Serialize;
use stepwise_config::section::{Section, Words};

use crate::logistic::logistic_loss;
use crate::objective::{Needs, Objective, POSITIVE, Term};
use crate::question::{Question, Shape, View};
use crate::rejected::Rejected;

/// Direct preference optimisation (Rafailov et al. 2023), with the losses of TRL's `DPOTrainer`. With
/// `d = [s(chosen) - s_ref(chosen)] - [s(rejected) - s_ref(rejected)]`, the loss is `-log sigmoid(beta d)` (sigmoid),
/// `max(0, 1 - beta d)` (hinge, Zhao et al. 2023), or `(d' - 1 / (2 beta))^2` (ipo, Azar et al. 2023), where `d'` is `d`
/// with log-likelihoods per token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dpo {
    /// Form of the loss.
    pub loss_type: DpoLoss,
    /// Strength of the preference, above 0. A smaller value allows larger distances from the reference.
    pub beta: f64,
    /// Rejected options.
    pub rejected: Rejected,
}

/// Form of the loss, as in TRL's `loss_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DpoLoss {
    /// Logistic loss.
    #[default]
    Sigmoid,
    /// Hinge loss.
    Hinge,
    /// Squared distance from a finite margin.
    Ipo,
}

const LOSSES: Words<DpoLoss> = &[("sigmoid", DpoLoss::Sigmoid), ("hinge", DpoLoss::Hinge), ("ipo", DpoLoss::Ipo)];

impl Dpo {
    /// Returns the loss of the margin `d` and its derivative. `d` is per token for [`DpoLoss::Ipo`].
    fn loss(&self, d: f64) -> (f64, f64) {
        match self.loss_type {
            DpoLoss::Sigmoid => {
                let (loss, derivative) = logistic_loss(self.beta * d);
                (loss, self.beta * derivative)
            }
            DpoLoss::Hinge if self.beta * d < 1.0 => (1.0 - self.beta * d, -self.beta),
            DpoLoss::Hinge => (0.0, 0.0),
            DpoLoss::Ipo => {
                let distance = d - 1.0 / (2.0 * self.beta);
                (distance * distance, 2.0 * distance)
            }
        }
    }
}

impl Objective for Dpo {
    const NAME: &'static str = "dpo";
    const ABOUT: &'static str = "Direct preference optimisation (Rafailov et al. 2023): the right option is preferred to rejected \
        ones by more than in the base.";

    fn read(section: &mut Section<'_>) -> Self {
        Self {
            loss_type: section.choice(
                "loss_type",
                LOSSES,
                DpoLoss::default(),
                "Form of the loss: logistic (sigmoid), hinge (hinge), or squared distance from a finite margin (ipo).",
            ),
            beta: section.float("beta", 0.1, POSITIVE, "Strength of the preference."),
            rejected: Rejected::read(section),
        }
    }

    fn needs(&self) -> Needs {
        Needs::of(&[], true)
    }

    fn applies(&self, shape: &Shape) -> bool {
        self.rejected.applies(shape)
    }

    fn term(&self, question: &Question) -> Term {
        let scores = question.under(View::Shown);
        let gold = question.shape.gold;
        let length = |option: usize| if self.loss_type == DpoLoss::Ipo { scores.tokens[option] as f64 } else { 1.0 };
        let rejected = self.rejected.options(question);
        let share = 1.0 / rejected.len() as f64;
        let mut term = Term::constant(question, 0.0);
        for option in rejected {
            let (loss, derivative) =
                self.loss(scores.ratio(gold) / length(gold) - scores.ratio(option) / length(option));
            term.loss += share * loss;
            term.add(View::Shown, gold, share * derivative / length(gold));
            term.add(View::Shown, option, -share * derivative / length(option));
        }
        term
    }
}
