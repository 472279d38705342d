//! Prefetch: a background thread makes the micro-batches of the next steps while the current step is computed.
//!
//! The data of a step depends only on recipe, cases, step, and the answers the model gave before the phase. Prefetching
//! therefore does not change a run.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use stepwise_curriculum::SampleIndex;
use stepwise_curriculum::run_plan::{RunPlan, StepPosition};
use stepwise_recipe::Recipe;
use stepwise_vlm::processor::Processor;

use crate::batches::adversarial::PendingBatch;
use crate::batches::examples::{ExampleBuilder, ExampleError, MicroBatch, TrainingExample};
use crate::cases::Cases;
use crate::evaluation::predicted::PredictedAnswers;

/// Number of steps that are prefetched.
const AHEAD: usize = 2;

/// Inputs from which the micro-batches of a run are made.
pub struct BatchSource {
    /// Recipe of the run.
    pub recipe: Recipe,
    /// Cases of the run.
    pub cases: Arc<Cases>,
    /// Run plan: the samples of each step.
    pub run_plan: RunPlan,
    /// Processor of the model, for tokens and pixels.
    pub processor: Processor,
    /// Answers that the model gave before the current phase; None if no example needs them.
    pub predicted: Option<Arc<PredictedAnswers>>,
}

impl BatchSource {
    /// Pending batches of step `done`, counted from 0.
    fn micro_batches(&self, examples: &mut ExampleBuilder<'_>, done: u64) -> Result<Vec<PendingBatch>, ExampleError> {
        let place = self.run_plan.at(done);
        let all = self.run_plan.micro_batches(place, self.recipe.train.per_device_train_batch_size);
        let (share, cutoff_len) = (self.recipe.train.share_prefix, self.recipe.cutoff_len);
        let made = |samples: &Vec<SampleIndex>| {
            PendingBatch::new(&self.processor, together(examples, place, samples)?, share, cutoff_len)
        };
        all.iter().map(made).collect()
    }

    /// Makes micro-batch number `index` of step `done`, both counted from 0, with images before any attack and right
    /// answers as predicted context. None if the step has no such micro-batch.
    ///
    /// # Errors
    /// When a training example cannot be made.
    pub fn one(&self, done: u64, index: usize) -> Result<Option<MicroBatch>, ExampleError> {
        let mut examples = ExampleBuilder::new(&self.recipe, &self.cases, &self.processor)?;
        let place = self.run_plan.at(done);
        let all = self.run_plan.micro_batches(place, self.recipe.train.per_device_train_batch_size);
        let Some(samples) = all.get(index) else { return Ok(None) };
        let examples = together(&mut examples, place, samples)?;
        MicroBatch::new(&self.processor, &examples, self.recipe.train.share_prefix, self.recipe.cutoff_len).map(Some)
    }
}

fn together(
    examples: &mut ExampleBuilder<'_>,
    place: StepPosition,
    samples: &[SampleIndex],
) -> Result<Vec<TrainingExample>, ExampleError> {
    let mut all = Vec::new();
    for sample in samples {
        all.extend(examples.all(place, *sample)?);
    }
    Ok(all)
}

/// Prefetched micro-batches in the order of the steps. Dropping the value ends the background thread.
pub struct Prefetcher {
    ready: Option<Receiver<Result<Vec<PendingBatch>, ExampleError>>>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetcher {
    /// Starts a background thread that prefetches the steps `done..end`, counted from 0, at most two steps ahead.
    #[must_use]
    pub fn start(source: BatchSource, done: u64, end: u64) -> Self {
        let (sender, ready) = sync_channel(AHEAD);
        let thread = std::thread::spawn(move || {
            let predicted = source.predicted.clone();
            let examples = ExampleBuilder::context(&source.recipe, &source.cases, &source.processor, predicted);
            let mut examples = match examples {
                Ok(examples) => examples,
                Err(error) => {
                    // The receiver may be gone.
                    let _ = sender.send(Err(error));
                    return;
                }
            };
            for step in done..end {
                let made = source.micro_batches(&mut examples, step);
                let failed = made.is_err();
                if sender.send(made).is_err() || failed {
                    return; // The receiver is gone, or an error ends the run.
                }
            }
        });
        Self { ready: Some(ready), thread: Some(thread) }
    }

    /// Waits for the pending batches of the next step and returns them. After an error no further step follows.
    ///
    /// # Errors
    /// When a training example of the step cannot be made.
    ///
    /// # Panics
    /// When the background thread panicked, after an error, or after the last step.
    pub fn take(&mut self) -> Result<Vec<PendingBatch>, ExampleError> {
        match self.ready.as_ref().map(Receiver::recv) {
            Some(Ok(made)) => made,
            _ => match self.thread.take().map(JoinHandle::join) {
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                _ => unreachable!("no step follows the last one"),
            },
        }
    }
}

impl Drop for Prefetcher {
    fn drop(&mut self) {
        self.ready = None; // The next send of the thread fails, which ends the thread.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
