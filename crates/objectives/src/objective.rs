//! What an objective computes: a loss from the scores of a question, and its gradient.

use std::fmt::Debug;
use std::ops::Bound;

use stepwise_config::section::Section;

use crate::question::{Question, Shape, VIEWS, View};

/// Numbers above 0.
pub(crate) const POSITIVE: (Bound<f64>, Bound<f64>) = (Bound::Excluded(0.0), Bound::Unbounded);

/// What an objective needs besides the scores of the training example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Views with gradients, besides [`View::Shown`], by their numbers.
    pub views: [bool; VIEWS.len()],
    /// Whether the scores of the reference, the model with its adapter off, are needed under all of these views.
    pub reference: bool,
    /// Whether log-probabilities by answer counts of the training cases are needed as the prior.
    pub counts: bool,
    /// Whether log-probabilities by the reference without an image are needed as the prior.
    pub blind: bool,
}

impl Needs {
    /// Returns needs of `views` and, if `reference`, of the reference's scores.
    #[must_use]
    pub fn of(views: &[View], reference: bool) -> Self {
        let mut needs = Self { reference, ..Self::default() };
        views.iter().for_each(|view| needs.views[*view as usize] = true);
        needs
    }

    /// Returns whether `view` is needed.
    #[must_use]
    pub fn has(&self, view: View) -> bool {
        self.views[view as usize]
    }

    /// Returns what either of two objectives needs.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.views.iter_mut().zip(other.views).for_each(|(own, other)| *own |= other);
        self.reference |= other.reference;
        self.counts |= other.counts;
        self.blind |= other.blind;
        self
    }
}

/// Loss of one question and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Loss, in nats unless the objective says otherwise.
    pub loss: f64,
    /// Derivative of the loss with respect to the log-likelihood of each option, under each of [`VIEWS`]. Empty under views
    /// that are not scored.
    pub gradient: [Vec<f64>; VIEWS.len()],
}

impl Term {
    /// Returns a term of `loss` whose gradient is zero under all views of `question`.
    #[must_use]
    pub fn constant(question: &Question, loss: f64) -> Self {
        let zeros = |view: View| {
            let scores = question.scores[view as usize].as_ref();
            vec![0.0; scores.map_or(0, |scores| scores.loglikelihoods.len())]
        };
        Self { loss, gradient: VIEWS.map(zeros) }
    }

    /// Adds `change` to the derivative with respect to one option under `view`.
    ///
    /// # Panics
    /// When the question is not scored under `view` or has no such option.
    pub fn add(&mut self, view: View, option: usize, change: f64) {
        self.gradient[view as usize][option] += change;
    }

    /// Adds `changes` to the derivatives with respect to all options under `view`.
    pub fn add_all(&mut self, view: View, changes: &[f64]) {
        self.gradient[view as usize].iter_mut().zip(changes).for_each(|(own, change)| *own += change);
    }
}

/// Training objective: a differentiable loss on log-likelihoods of the options of one question.
pub trait Objective: Debug {
    /// Key of the objective's table in a recipe and name of its loss in logs.
    const NAME: &'static str;

    /// Description of the objective in the reference of recipes.
    const ABOUT: &'static str;

    /// Factor of the objective in the loss where the recipe sets none.
    const WEIGHT: f64 = 1.0;

    /// Reads the parameters of the objective; wrong values are reported and replaced by their defaults.
    fn read(section: &mut Section<'_>) -> Self;

    /// Returns what the objective needs besides the scores of the training example.
    fn needs(&self) -> Needs;

    /// Returns whether the objective applies to questions of this shape.
    fn applies(&self, shape: &Shape) -> bool;

    /// Computes the loss of `question` and its gradient.
    ///
    /// # Panics
    /// When the objective does not apply to the question, or a score that [`Objective::needs`] names is missing.
    fn term(&self, question: &Question) -> Term;
}
