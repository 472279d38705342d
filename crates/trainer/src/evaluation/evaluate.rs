//! Asks a suite of a model, and keeps every answer as it comes.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{Options, Surrogate, run};
use stepwise_benchmark::store::{self, Journal, StoreError};
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::skips;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::Reader;

use crate::cases::Cases;
use crate::evaluation::epochs::BenchmarkError;
use crate::evaluation::vlm_model::ModelRespondent;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// Probes handed to the model at once.
const BATCH: usize = 64;

/// A model as it answers.
#[derive(Clone, Copy)]
pub struct Model<'a> {
    /// What tells it from all others: part of every answer's key.
    pub key: &'a str,
    /// Model and processor.
    pub reader: &'a Reader,
    /// [`Pass::ANSWER`], or [`Pass::BASE`] with its adapter off.
    pub pass: Pass,
}

/// Who is asked what.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// What it is called while it is asked.
    pub name: &'a str,
    /// Who answers.
    pub model: Model<'a>,
    /// Whose gradients transferred attacks are made with: the untouched base of an adapted model. Without one those
    /// conditions are left out, and counted.
    pub surrogate: Option<Model<'a>>,
    /// What is asked.
    pub suite: &'a Suite,
    /// Of whom.
    pub cases: &'a Cases,
}

/// Answers given before, and where new ones are kept.
#[derive(Default)]
pub struct Memory {
    known: HashMap<String, Outcome>,
    journal: Option<Journal>,
}

impl Memory {
    /// With what a journal holds; new answers are added to it.
    ///
    /// # Errors
    /// When it cannot be read or begun.
    pub fn journal(path: &Path) -> Result<Self, StoreError> {
        let (journal, held) = Journal::open(path)?;
        Ok(Self { known: by_key(held).collect(), journal: Some(journal) })
    }

    /// And with the outcomes of a file, if it is there; they come before those of the journal.
    ///
    /// # Errors
    /// When it cannot be read.
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

/// What asking came to.
#[derive(Clone, Debug)]
pub struct Answers {
    /// By case, item, and place of the condition in the suite.
    pub outcomes: Vec<Outcome>,
    /// For each condition, what was left out by reason.
    pub skips: Vec<BTreeMap<String, usize>>,
    /// Answers given now.
    pub asked: usize,
    /// Answers given before.
    pub remembered: usize,
}

impl Asking<'_> {
    /// Asks whatever `memory` does not know.
    ///
    /// # Errors
    /// When a question cannot be asked or its answer kept. After an interrupt with
    /// [`stepwise_benchmark::runner::RunError::Stopped`]; what was answered until then is in the memory's journal.
    pub fn ask(
        &self,
        memory: &mut Memory,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<Answers, BenchmarkError> {
        let plan = Plan::new(self.suite, &self.cases.eval);
        let task = format!("benchmark {}", self.name);
        let Memory { known, journal } = memory;
        let mut unkept = None;
        let mut surrogate = self.surrogate.map(|of| (of.key, ModelRespondent::new(of.reader, of.pass, interrupt)));
        let options = Options {
            respondent: self.model.key,
            known,
            batch: BATCH,
            surrogate: surrogate.as_mut().map(|(key, respondent)| Surrogate { key, respondent }),
            progress: &mut |now| {
                unkept = journal.as_mut().and_then(|journal| journal.keep(now.fresh).err());
                progress.advance(&task, now.done as u64, now.total as u64);
                // What is answered whole needs no stop.
                let stop = unkept.is_some() || (interrupt.requested() && now.done < now.total);
                if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        };
        let mut respondent = ModelRespondent::new(self.model.reader, self.model.pass, interrupt);
        let ran = run(&plan, &self.cases.pictures, &mut respondent, options);
        if let Some(error) = unkept {
            return Err(error.into());
        }
        let run = ran?;
        let skips = skips(&plan, &run);
        Ok(Answers { outcomes: run.outcomes, skips, asked: run.asked, remembered: run.reused })
    }
}
