//! Symmetric preference over two images and two answers.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::logistic::logistic_loss;
use crate::objective::{Needs, Objective, POSITIVE, Term};
use crate::question::{Question, Shape, View};

/// Symmetric preference over a pair (SymMPO, arXiv 2506.11712, on answer options). With the right answers `g` on the image
/// `v` and `g'` on the image `v'`, and r for the reference,
/// `m = [s(g|v) - s(g'|v)] - r`, `m' = [s(g'|v') - s(g|v')] - r`, the loss is
/// `-log sigmoid(beta m) - log sigmoid(beta m') + symmetry (m - m')^2
/// + anchor [-log sigmoid(beta (s(g|v) - r)) - log sigmoid(beta (s(g'|v') - r))]`.
/// A preference for an option that does not depend on the image cancels in `m + m'`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Strength of the preference, above 0.
    pub beta: f64,
    /// Weight of the anchors, which keep the right answers likely, at least 0.
    pub anchor: f64,
    /// Weight of the squared difference of both margins, at least 0.
    pub symmetry: f64,
}

impl Objective for Pair {
    const NAME: &'static str = "pair";
    const ABOUT: &'static str = "Symmetric preference over the two images and two right answers of a pair (SymMPO). Applies to pairs, \
        so `pairs` must be set in `[curriculum]`.";

    fn read(section: &mut Section<'_>) -> Self {
        Self {
            beta: section.float("beta", 0.1, POSITIVE, "Strength of the preference."),
            anchor: section.float("anchor", 1.0, 0.0.., "Weight of the anchors, which keep the right answers likely."),
            symmetry: section.float("symmetry", 1e-4, 0.0.., "Weight of the squared difference of both margins."),
        }
    }

    fn needs(&self) -> Needs {
        Needs::of(&[View::Other], true)
    }

    fn applies(&self, shape: &Shape) -> bool {
        !shape.is_second && shape.counterpart().is_some()
    }

    fn term(&self, question: &Question) -> Term {
        let gold = question.shape.gold;
        let other = question.shape.counterpart().expect("the objective applies to pairs");
        // Image, its right option, and the option that is right on the other image.
        let sides = [(View::Shown, gold, other), (View::Other, other, gold)];
        let margins =
            sides.map(|(view, right, wrong)| question.under(view).ratio(right) - question.under(view).ratio(wrong));
        let apart = margins[0] - margins[1];
        let mut term = Term::constant(question, self.symmetry * apart * apart);
        for ((view, right, wrong), (margin, sign)) in sides.into_iter().zip(margins.into_iter().zip([1.0, -1.0])) {
            let (loss, derivative) = logistic_loss(self.beta * margin);
            let derivative = self.beta * derivative + sign * 2.0 * self.symmetry * apart;
            let (anchor, of_anchor) = logistic_loss(self.beta * question.under(view).ratio(right));
            term.loss += loss + self.anchor * anchor;
            term.add(view, right, derivative + self.anchor * self.beta * of_anchor);
            term.add(view, wrong, -derivative);
        }
        term
    }
}
