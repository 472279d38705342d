//! Preference of the right image for an answer.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::logistic::logistic_loss;
use crate::objective::{Needs, Objective, POSITIVE, Term};
use crate::question::{Question, Shape, View};

/// Image-conditional preference (mDPO, Wang et al. 2024): the right answer `g` is likelier on its image `v` than on the
/// other image `v'`, `-log sigmoid(beta [(s(g|v) - r) - (s(g|v') - r)]) - anchor log sigmoid(beta (s(g|v) - r))`, where r
/// is the log-likelihood under the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ConditionalPreference {
    /// Strength of the preference, above 0.
    pub beta: f64,
    /// Weight of the anchor, which keeps the right answer likely, at least 0.
    pub anchor: f64,
}

impl Objective for ConditionalPreference {
    const NAME: &'static str = "conditional_preference";
    const ABOUT: &'static str = "Image-conditional preference (Wang et al. 2024): the right answer is likelier on its image than on the \
        other image of a pair. Applies to pairs, so `pairs` must be set in `[curriculum]`.";

    fn read(section: &mut Section<'_>) -> Self {
        Self {
            beta: section.float("beta", 0.1, POSITIVE, "Strength of the preference."),
            anchor: section.float("anchor", 1.0, 0.0.., "Weight of the anchor, which keeps the right answer likely."),
        }
    }

    fn needs(&self) -> Needs {
        Needs::of(&[View::Other], true)
    }

    fn applies(&self, shape: &Shape) -> bool {
        shape.counterpart().is_some()
    }

    fn term(&self, question: &Question) -> Term {
        let gold = question.shape.gold;
        let shown = question.under(View::Shown).ratio(gold);
        let (loss, derivative) = logistic_loss(self.beta * (shown - question.under(View::Other).ratio(gold)));
        let (anchor, of_anchor) = logistic_loss(self.beta * shown);
        let mut term = Term::constant(question, loss + self.anchor * anchor);
        term.add(View::Shown, gold, self.beta * (derivative + self.anchor * of_anchor));
        term.add(View::Other, gold, -self.beta * derivative);
        term
    }
}
