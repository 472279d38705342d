//! Evaluation of one model, with answers from the cache and the folder `--out`.

use std::path::Path;

use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::store;
use stepwise_trainer::cases::CaseImages;
use stepwise_trainer::evaluation::cache::AnswerCache;
use stepwise_trainer::evaluation::evaluate::{AnswerStore, Evaluated, Evaluation, ModelUnderTest};
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::progress::Progress;

use crate::exit::Failure;
use crate::progress::ConsoleProgress;

/// Evaluates models and stores their answers.
pub struct Evaluator<'a> {
    /// Questions of the suite about the cases.
    pub plan: &'a Plan<'a>,
    /// Images of the cases.
    pub images: &'a CaseImages,
    /// Folder `--out`; None if results are not kept.
    pub out: Option<&'a Path>,
    /// Answer cache; None without a cache.
    pub cache: Option<AnswerCache>,
    /// Request to stop the evaluation between two answers.
    pub interrupt: Interrupt,
    /// Display of progress and messages.
    pub progress: ConsoleProgress,
}

impl Evaluator<'_> {
    /// Evaluates `model`, called `name` in messages and in the folder `--out`, and stores its outcomes there.
    /// Transferred attacks are made on `surrogate`; with None they are skipped.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] when stored outcomes cannot be used; [`Failure::Run`] when the evaluation fails or a file
    /// cannot be written; [`Failure::Interrupted`] when the user interrupts it.
    pub fn evaluate(
        &mut self,
        name: &str,
        model: ModelUnderTest<'_>,
        surrogate: Option<ModelUnderTest<'_>>,
    ) -> Result<Evaluated, Failure> {
        let mut answer_store = match &self.cache {
            Some(cache) => {
                let journal = cache.journal(model.key).map_err(Failure::run)?;
                AnswerStore::journal(&journal).map_err(Failure::run)?
            }
            None => AnswerStore::default(),
        };
        let stored = self.out.map(|out| out.join(name).join("outcomes.jsonl"));
        if let Some(stored) = &stored {
            answer_store = answer_store.and_file(stored).map_err(Failure::input)?;
        }
        let evaluation = Evaluation { name, model, surrogate, plan: self.plan, pictures: self.images };
        let answers = evaluation.ask(&mut answer_store, &mut self.progress, &self.interrupt).map_err(|error| {
            if !error.is_interrupt() {
                return Failure::run(error);
            }
            self.progress.note(match &self.cache {
                Some(_) => "interrupted; all answers so far are stored: run the same command again to continue",
                None => "interrupted; no answers are stored because of `--no-cache`",
            });
            Failure::Interrupted
        })?;
        self.progress.note(&format!("{name}: {} answers computed, {} reused", answers.asked, answers.remembered));
        if let Some(stored) = &stored {
            store::write(stored, &answers.outcomes).map_err(Failure::run)?;
        }
        Ok(answers)
    }
}
