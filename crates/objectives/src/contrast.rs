//! Contrast of an image, no image and another image.

use serde::Serialize;
use stepwise_config::section::Section;

use crate::logistic::logistic_loss;
use crate::objective::{Needs, Objective, POSITIVE, Term};
use crate::question::{Question, Shape, View};

/// Visual contrast with "no image" as the pivot (S-VCO, arXiv 2502.13928). With `f(o, v) = s(o|v) - s_ref(o|v)`, the right
/// answers `g` on the image `v` and `g'` on `v'`, and no image `n`, the loss is the sum of `-log sigmoid(beta d)` over
/// four differences: `f(g, v) - f(g, n)`, `f(g, n) - f(g, v')`, `f(g', v') - f(g', n)`, `f(g', n) - f(g', v)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// Strength of the preference, above 0.
    pub beta: f64,
}

impl Objective for Contrast {
    const NAME: &'static str = "contrast";
    const ABOUT: &'static str = "Visual contrast (S-VCO): each right answer of a pair is likelier on its image than without an image, \
        and likelier without an image than on the other image. Applies to pairs, so `pairs` must be set in `[curriculum]`.";

    fn read(section: &mut Section<'_>) -> Self {
        Self { beta: section.float("beta", 0.1, POSITIVE, "Strength of the preference.") }
    }

    fn needs(&self) -> Needs {
        Needs::of(&[View::Other, View::WithoutImage], true)
    }

    fn applies(&self, shape: &Shape) -> bool {
        !shape.is_second && shape.counterpart().is_some() && shape.has(View::WithoutImage)
    }

    fn term(&self, question: &Question) -> Term {
        let gold = question.shape.gold;
        let other = question.shape.counterpart().expect("the objective applies to pairs");
        let mut term = Term::constant(question, 0.0);
        for (option, likelier, unlikelier) in [
            (gold, View::Shown, View::WithoutImage),
            (gold, View::WithoutImage, View::Other),
            (other, View::Other, View::WithoutImage),
            (other, View::WithoutImage, View::Shown),
        ] {
            let difference = question.under(likelier).ratio(option) - question.under(unlikelier).ratio(option);
            let (loss, derivative) = logistic_loss(self.beta * difference);
            term.loss += loss;
            term.add(likelier, option, self.beta * derivative);
            term.add(unlikelier, option, -self.beta * derivative);
        }
        term
    }
}
