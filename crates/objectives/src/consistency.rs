//! Consistency between the clean question and the question under a condition.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::distribution::Distribution;
use crate::objective::{Needs, Objective, Term};
use crate::question::{Question, Shape, View};

/// Divergence of the answers under a condition from the answers to the clean question,
/// `KL(stop_gradient(P(. | clean)) || P(. | shown))`: bias-augmented consistency training (Chua et al. 2024) on the
/// distribution over the options. The right answer is not used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Consistency {}

impl Objective for Consistency {
    const NAME: &'static str = "consistency";
    const ABOUT: &'static str = "Consistency (Chua et al. 2024): the answers under a condition of `augment` follow the answers to the \
        clean question. Applies to training examples under a condition that keeps the right answer, such as a hint.";

    fn read(_: &mut Section<'_>) -> Self {
        Self {}
    }

    fn needs(&self) -> Needs {
        Needs::of(&[View::Clean], false)
    }

    fn applies(&self, shape: &Shape) -> bool {
        shape.has(View::Clean)
    }

    fn term(&self, question: &Question) -> Term {
        let clean = Distribution::of(question.under(View::Clean));
        let shown = Distribution::of(question.under(View::Shown));
        let outer: Vec<f64> = clean.probabilities.iter().map(|p| -p).collect();
        let mut term = Term::constant(question, clean.divergence(&shown));
        term.add_all(View::Shown, &shown.gradient(&outer));
        term
    }
}
