//! Product of experts with a prior that does not see the image.

use serde::Serialize;
use stepwise_config::section::{Section, Words};

use crate::distribution::{Distribution, log_softmax};
use crate::objective::{Needs, Objective, POSITIVE, Term};
use crate::question::{Question, Shape, View};

/// Cross-entropy of the product of the model and a question-only prior,
/// `-log softmax_o(log P(o) + tau log p_prior(o))[right]` (Clark et al. 2019, "Don't take the easy way out"). The model is
/// evaluated without the prior, so it is not rewarded for what the prior already says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProductOfExperts {
    /// Source of the prior.
    pub prior: Prior,
    /// Exponent of the prior, above 0.
    pub tau: f64,
}

/// Source of the question-only prior.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// How often each option is right in the training cases with the same question, plus 1.
    #[default]
    Counts,
    /// The base without an image.
    Base,
}

const PRIORS: Words<Prior> = &[("counts", Prior::Counts), ("base", Prior::Base)];

impl Objective for ProductOfExperts {
    const NAME: &'static str = "product_of_experts";
    const ABOUT: &'static str = "Product of experts (Clark et al. 2019): cross-entropy over the options after the model's \
        distribution is multiplied by a prior that does not see the image.";

    fn read(section: &mut Section<'_>) -> Self {
        Self {
            prior: section.choice(
                "prior",
                PRIORS,
                Prior::default(),
                "Prior of the options: how often each is right in the training cases with the same question (counts), or the \
                 base without an image (base).",
            ),
            tau: section.float("tau", 1.0, POSITIVE, "Exponent of the prior."),
        }
    }

    fn needs(&self) -> Needs {
        Needs { counts: self.prior == Prior::Counts, blind: self.prior == Prior::Base, ..Needs::default() }
    }

    fn applies(&self, shape: &Shape) -> bool {
        shape.options > 0
    }

    fn term(&self, question: &Question) -> Term {
        let distribution = Distribution::of(question.under(View::Shown));
        let prior = question.prior.as_ref().expect("the trainer computes a prior where `Needs` asks for one");
        let both: Vec<f64> = distribution.logs.iter().zip(prior).map(|(log, prior)| log + self.tau * prior).collect();
        let product = log_softmax(&both);
        let gold = question.shape.gold;
        let outer: Vec<f64> =
            product.iter().enumerate().map(|(option, log)| log.exp() - f64::from(u8::from(option == gold))).collect();
        let mut term = Term::constant(question, -product[gold]);
        term.add_all(View::Shown, &distribution.gradient(&outer));
        term
    }
}
