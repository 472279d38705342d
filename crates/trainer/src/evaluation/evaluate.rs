//! Evaluation of a model on a suite, with a store of the answers.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{Options, Surrogate, run};
use stepwise_benchmark::store::{self, Journal, StoreError};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::cases::CaseImages;
use crate::evaluation::error::BenchmarkError;
use crate::evaluation::vlm_model::VlmModel;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Queries sent to the model at once.
pub(crate) const BATCH: usize = 64;

/// A model under evaluation.
#[derive(Clone, Copy)]
pub struct ModelUnderTest<'a> {
    /// Identity of the model; part of the key of every answer.
    pub key: &'a str,
    /// Model and processor.
    pub pipeline: &'a VlmPipeline,
    /// Forward pass: [`Pass::ANSWER`] with the adapter, or [`Pass::BASE`] with the adapter switched off.
    pub pass: Pass,
}

/// One evaluation: a model and the plan of its questions.
#[derive(Clone, Copy)]
pub struct Evaluation<'a> {
    /// Name of the evaluation in progress messages.
    pub name: &'a str,
    /// The model that is evaluated.
    pub model: ModelUnderTest<'a>,
    /// Gradient source of transferred attacks: the untouched base of an adapted model. If None, conditions with
    /// transferred attacks are skipped, and the skips are counted.
    pub surrogate: Option<ModelUnderTest<'a>>,
    /// Questions of the suite about the evaluation cases.
    pub plan: &'a Plan<'a>,
    /// Source of the cases' images.
    pub pictures: &'a CaseImages,
}

/// Answer store: known answers, and the journal to which new answers are appended.
#[derive(Default)]
pub struct AnswerStore {
    known: HashMap<String, Outcome>,
    journal: Option<Journal>,
}

impl AnswerStore {
    /// Opens a journal file, or creates it, and loads its answers. New answers are appended to it.
    ///
    /// # Errors
    /// When the journal cannot be read or created.
    pub fn journal(path: &Path) -> Result<Self, StoreError> {
        let (journal, held) = Journal::open(path)?;
        Ok(Self { known: by_key(held).collect(), journal: Some(journal) })
    }

    /// Adds the outcomes of a file, if it exists, and returns the store. They replace answers of the journal with the
    /// same key.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn and_file(mut self, path: &Path) -> Result<Self, StoreError> {
        if path.is_file() {
            self.known.extend(by_key(store::read(path)?));
        }
        Ok(self)
    }
}

fn by_key(outcomes: Vec<Outcome>) -> impl Iterator<Item = (String, Outcome)> {
    outcomes.into_iter().map(|outcome| (outcome.key.clone(), outcome))
}

/// Outcomes of an evaluation.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// One outcome per case, item and condition, ordered by these, with conditions in the order of the suite.
    pub outcomes: Vec<Outcome>,
    /// For each condition, in the order of the suite, the number of skipped questions by reason.
    pub skips: Vec<BTreeMap<String, usize>>,
    /// Number of answers computed in this evaluation.
    pub asked: usize,
    /// Number of answers taken from the answer store.
    pub remembered: usize,
    /// Time of the evaluation.
    pub time: Duration,
}

impl Evaluation<'_> {
    /// Evaluates the model on every question whose answer is not in `memory`. Each new answer is appended
    /// to the journal.
    ///
    /// # Errors
    /// When an image cannot be read, the model fails, or an answer cannot be stored. After an interrupt:
    /// [`stepwise_benchmark::runner::RunError::Stopped`]; earlier answers are in the journal.
    pub fn ask(
        &self,
        memory: &mut AnswerStore,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<Evaluated, BenchmarkError> {
        let (task, began) = (format!("benchmark {}", self.name), Instant::now());
        progress.begin(&task, 0, self.plan.entries.len() as u64);
        let AnswerStore { known, journal } = memory;
        let mut unkept = None;
        let mut surrogate = self.surrogate.map(|of| (of.key, VlmModel::new(of.pipeline, of.pass, interrupt)));
        let options = Options {
            model: self.model.key,
            known,
            batch: BATCH,
            surrogate: surrogate.as_mut().map(|(key, model)| Surrogate { key, model }),
            progress: &mut |now| {
                unkept = journal.as_mut().and_then(|journal| journal.keep(now.fresh).err());
                progress.advance(&task, now.done as u64, now.total as u64);
                // An evaluation that is already complete is not stopped.
                let stop = unkept.is_some() || (interrupt.requested() && now.done < now.total);
                if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        };
        let mut model = VlmModel::new(self.model.pipeline, self.model.pass, interrupt);
        let ran = run(self.plan, self.pictures, &mut model, options);
        if let Some(error) = unkept {
            return Err(error.into());
        }
        let run = ran?;
        let skips = run.skips(self.plan);
        Ok(Evaluated { outcomes: run.outcomes, skips, asked: run.asked, remembered: run.reused, time: began.elapsed() })
    }
}
