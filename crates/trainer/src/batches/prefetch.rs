//! Makes the micro-batches of the steps to come on a thread of their own, while the step under way is computed.
//!
//! What a step learns from is a function of recipe, cases and step alone, so who makes it, and when, changes nothing.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use stepwise_curriculum::Sample;
use stepwise_curriculum::run_plan::{Course, Place};
use stepwise_recipe::Recipe;
use stepwise_vlm::processor::Processor;

use crate::batches::adversarial::Material;
use crate::batches::examples::{Lesson, LessonError, Lessons, MicroBatch};
use crate::cases::Cases;
use crate::evaluation::predicted::Predicted;

/// Steps made ready beyond the one under way.
const AHEAD: usize = 2;

/// What micro-batches are made from.
pub struct Source {
    /// The recipe.
    pub recipe: Recipe,
    /// The cases.
    pub cases: Arc<Cases>,
    /// Which questions each step takes.
    pub course: Course,
    /// What turns them into tokens and pixels.
    pub processor: Processor,
    /// What the model answered when the phase under way began.
    pub predicted: Option<Arc<Predicted>>,
}

impl Source {
    /// The micro-batches of step `done`, counted from 0.
    fn micro_batches(&self, lessons: &mut Lessons<'_>, done: u64) -> Result<Vec<Material>, LessonError> {
        let place = self.course.at(done);
        let all = self.course.micro_batches(place, self.recipe.train.per_device_train_batch_size);
        let (share, cutoff_len) = (self.recipe.train.share_prefix, self.recipe.cutoff_len);
        let made = |samples: &Vec<Sample>| {
            Material::new(&self.processor, together(lessons, place, samples)?, share, cutoff_len)
        };
        all.iter().map(made).collect()
    }

    /// Micro-batch number `index` of step `done`, both counted from 0, its pictures as they are before any attack; none where
    /// there is no such.
    ///
    /// # Errors
    /// When a question cannot be made into a lesson.
    pub fn one(&self, done: u64, index: usize) -> Result<Option<MicroBatch>, LessonError> {
        let mut lessons = Lessons::new(&self.recipe, &self.cases, &self.processor);
        let place = self.course.at(done);
        let all = self.course.micro_batches(place, self.recipe.train.per_device_train_batch_size);
        let Some(samples) = all.get(index) else { return Ok(None) };
        let lessons = together(&mut lessons, place, samples)?;
        MicroBatch::new(&self.processor, &lessons, self.recipe.train.share_prefix, self.recipe.cutoff_len).map(Some)
    }
}

fn together(lessons: &mut Lessons<'_>, place: Place, samples: &[Sample]) -> Result<Vec<Lesson>, LessonError> {
    samples.iter().map(|sample| lessons.of(place, *sample)).collect()
}

/// Micro-batches in the order of the steps. Dropping it ends the thread.
pub struct ReadAhead {
    ready: Option<Receiver<Result<Vec<Material>, LessonError>>>,
    thread: Option<JoinHandle<()>>,
}

impl ReadAhead {
    /// The steps from `done` to before `end`, counted from 0.
    #[must_use]
    pub fn start(source: Source, done: u64, end: u64) -> Self {
        let (sender, ready) = sync_channel(AHEAD);
        let thread = std::thread::spawn(move || {
            let predicted = source.predicted.clone();
            let mut lessons = Lessons::told(&source.recipe, &source.cases, &source.processor, predicted);
            for step in done..end {
                let made = source.micro_batches(&mut lessons, step);
                let failed = made.is_err();
                if sender.send(made).is_err() || failed {
                    return; // Nobody waits any more, or nothing can follow.
                }
            }
        });
        Self { ready: Some(ready), thread: Some(thread) }
    }

    /// The micro-batches of the next step; waits for them.
    ///
    /// # Errors
    /// When a question of the step cannot be made into a lesson.
    ///
    /// # Panics
    /// When the thread panicked, and past the last step.
    pub fn take(&mut self) -> Result<Vec<Material>, LessonError> {
        match self.ready.as_ref().map(Receiver::recv) {
            Some(Ok(made)) => made,
            _ => match self.thread.take().map(JoinHandle::join) {
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                _ => unreachable!("no step follows the last one"),
            },
        }
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.ready = None; // The thread's next send fails, which ends it.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
