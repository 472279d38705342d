//! Evaluations of mock models.

use std::collections::HashMap;
use std::ops::ControlFlow;

use stepwise_benchmark::mock::{Planted, Policy};
use stepwise_benchmark::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, Response};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{self, Images, Options, Run, RunProgress, Surrogate};
use stepwise_benchmark::summary::Summary;

/// Evaluation of a mock model, with the settings that tests change.
pub struct MockEvaluation<'a> {
    /// Loader of the images of the cases.
    pub images: &'a dyn Images,
    /// Outcomes whose questions are not asked again, by [`Outcome::key`]; empty asks all questions.
    pub known: HashMap<String, Outcome>,
    /// Model that transfer attacks are made on; None when there is none.
    pub surrogate: Option<&'a mut dyn Model>,
}

impl<'a> MockEvaluation<'a> {
    /// Creates an evaluation with these images, without known outcomes and without a surrogate.
    #[must_use]
    pub fn on(images: &'a dyn Images) -> Self {
        Self { images, known: HashMap::new(), surrogate: None }
    }

    /// Evaluates `model` on `plan`, in batches of 16 queries.
    ///
    /// # Panics
    /// When the model, an image or the surrogate fails.
    pub fn run(self, plan: &Plan<'_>, model: &mut dyn Model) -> Run {
        let mut progress = |_: RunProgress<'_>| ControlFlow::Continue(());
        let surrogate = self.surrogate.map(|model| Surrogate { key: "base", model });
        let options = Options { model: "mock", known: &self.known, batch: 16, surrogate, progress: &mut progress };
        runner::run(plan, self.images, model, options).expect("mock models do not fail")
    }
}

/// Returns copies of the outcomes by [`Outcome::key`], as an evaluation takes known ones. Of outcomes with equal keys
/// the last one is kept.
#[must_use]
pub fn by_key<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> HashMap<String, Outcome> {
    outcomes.into_iter().map(|outcome| (outcome.key.clone(), outcome.clone())).collect()
}

/// Returns the summary of a run of `plan`, compared with the run `base` if there is one.
#[must_use]
pub fn summary(plan: &Plan<'_>, run: &Run, base: Option<&Run>) -> Summary {
    let base = base.map(|base| base.outcomes.as_slice());
    Summary::new(plan.suite, &run.skips(plan), &run.outcomes, base)
}

/// Mock model that answers by its policy and records every query.
pub struct Recorder<'a, P> {
    inner: Planted<'a, P>,
    /// Queries of the model so far, in order.
    pub queries: Vec<Query>,
}

impl<'a, P> Recorder<'a, P> {
    /// Creates a model that answers like `inner`.
    pub fn new(inner: Planted<'a, P>) -> Self {
        Self { inner, queries: Vec::new() }
    }
}

impl<P: Policy> Model for Recorder<'_, P> {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.queries.extend_from_slice(queries);
        self.inner.reply(queries)
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        self.inner.pixels(query)
    }

    fn pixel_gradients(&mut self, attacked: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        self.inner.pixel_gradients(attacked)
    }
}
