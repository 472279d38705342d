//! Divergence between the answers with and without the evidence in the image.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::distribution::Distribution;
use crate::objective::{Needs, Objective, POSITIVE, Term};
use crate::question::{Question, Shape, View};

/// Rewards a change of the answers when the evidence region is masked:
/// `-min(KL(P(. | image) || P(. | masked image)), kappa)`, the perception term of PAPO (arXiv 2507.06448) on the
/// distribution over the options. Without the limit `kappa` the divergence can be raised without end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MaskedKl {
    /// Largest rewarded divergence in nats, above 0.
    pub kappa: f64,
}

impl Objective for MaskedKl {
    const NAME: &'static str = "masked_kl";
    const ABOUT: &'static str = "Divergence between the answers with the image and with its evidence region masked (PAPO), rewarded up \
        to a limit. Applies to questions with an evidence region that are shown with their own image and without a condition.";
    const WEIGHT: f64 = 0.01;

    fn read(section: &mut Section<'_>) -> Self {
        Self { kappa: section.float("kappa", 1.0, POSITIVE, "Largest rewarded divergence, in nats.") }
    }

    fn needs(&self) -> Needs {
        Needs::of(&[View::Masked], false)
    }

    fn applies(&self, shape: &Shape) -> bool {
        shape.has(View::Masked)
    }

    fn term(&self, question: &Question) -> Term {
        let shown = Distribution::of(question.under(View::Shown));
        let masked = Distribution::of(question.under(View::Masked));
        let divergence = shown.divergence(&masked);
        let mut term = Term::constant(question, -divergence.min(self.kappa));
        if divergence < self.kappa {
            // d KL(p || q) / d log p_i = p_i (log p_i - log q_i + 1), d KL(p || q) / d log q_i = -p_i.
            let logs = shown.logs.iter().zip(&masked.logs);
            let of_shown: Vec<f64> =
                shown.probabilities.iter().zip(logs).map(|(p, (own, other))| -p * (own - other + 1.0)).collect();
            term.add_all(View::Shown, &shown.gradient(&of_shown));
            term.add_all(View::Masked, &masked.gradient(&shown.probabilities));
        }
        term
    }
}
