//! Makes the micro-batches of the steps to come on a thread of their own, while the step under way is computed.
//!
//! What a step learns from is a function of recipe, cases and step alone, so who makes it, and when, changes nothing.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use stepwise_vlm::processor::Processor;

use crate::cases::Cases;
use crate::course::Course;
use crate::lessons::{LessonError, Lessons, MicroBatch};
use crate::recipe::Recipe;

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
}

impl Source {
    /// The micro-batches of step `done`, counted from 0.
    fn micro_batches(&self, lessons: &mut Lessons<'_>, done: u64) -> Result<Vec<MicroBatch>, LessonError> {
        let train = &self.recipe.train;
        let place = self.course.at(done);
        let samples = self.course.samples(place);
        let of_one_case: Vec<_> = samples.chunk_by(|a, b| a.case == b.case).collect();
        let mut micro_batches = Vec::new();
        for cases in of_one_case.chunks(train.per_device_train_batch_size) {
            let samples = cases.iter().copied().flatten();
            let together = samples.map(|sample| lessons.of(place, *sample)).collect::<Result<Vec<_>, _>>()?;
            let cutoff_len = self.recipe.cutoff_len;
            micro_batches.push(MicroBatch::new(&self.processor, &together, train.share_prefix, cutoff_len)?);
        }
        Ok(micro_batches)
    }
}

/// Micro-batches in the order of the steps. Dropping it ends the thread.
pub struct ReadAhead {
    ready: Option<Receiver<Result<Vec<MicroBatch>, LessonError>>>,
    thread: Option<JoinHandle<()>>,
}

impl ReadAhead {
    /// Begins with step `done`, counted from 0.
    #[must_use]
    pub fn start(source: Source, done: u64) -> Self {
        let (sender, ready) = sync_channel(AHEAD);
        let thread = std::thread::spawn(move || {
            let mut lessons = Lessons::new(&source.recipe, &source.cases, &source.processor);
            for step in done..source.course.total {
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
    pub fn take(&mut self) -> Result<Vec<MicroBatch>, LessonError> {
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
