//! The benchmark of a run: of the base first, and of the learner after every epoch, always the same questions.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::run::{Options, RunError, run};
use stepwise_benchmark::store::{self, StoreError};
use stepwise_benchmark::suite::{Suite, SuiteError};
use stepwise_vlm::model::parameter::Pass;
use stepwise_vlm::reader::Reader;

use crate::cases::Cases;
use crate::progress::Progress;
use crate::recipe::{Recipe, Suite as SuiteChoice};
use crate::respondent::ModelRespondent;

/// Probes handed to the model at once.
const BATCH: usize = 64;

/// Why a benchmark ended early.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The suite cannot be read.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// A question cannot be asked.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Outcomes cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The benchmark of a run.
pub struct EpochBenchmark {
    suite: Option<Suite>,
    folder: PathBuf,
    every: u32,
    base: Vec<Outcome>,
    report: Option<PathBuf>,
}

impl EpochBenchmark {
    /// Prepares what `[benchmark]` asks for.
    ///
    /// # Errors
    /// When the suite cannot be read.
    pub fn open(recipe: &Recipe, _cases: &Cases, run: &Path) -> Result<Self, BenchmarkError> {
        let mut suite = match &recipe.benchmark.suite {
            SuiteChoice::None => None,
            SuiteChoice::Fast => Some(Suite::fast()),
            SuiteChoice::File(path) => Some(Suite::load(path)?),
        };
        if let (Some(suite), Some(most)) = (&mut suite, recipe.benchmark.max_cases) {
            suite.max_cases = Some(suite.max_cases.map_or(most as usize, |cap| cap.min(most as usize)));
        }
        if let Some(suite) = &mut suite {
            suite.answer_form = recipe.train.answer_form;
        }
        let folder = run.join("benchmark");
        Ok(Self { suite, folder, every: recipe.benchmark.every, base: Vec::new(), report: None })
    }

    /// Whether the benchmark runs after this epoch.
    #[must_use]
    pub fn is_due(&self, epoch: u32, last: bool) -> bool {
        self.suite.is_some() && (last || epoch.is_multiple_of(self.every))
    }

    /// Asks the untouched base, unless an earlier start of the run has.
    ///
    /// # Errors
    /// When a question cannot be asked or its outcome kept.
    pub fn base(&mut self, reader: &Reader, cases: &Cases, progress: &mut dyn Progress) -> Result<(), BenchmarkError> {
        let path = self.folder.join("base").join("outcomes.jsonl");
        if self.suite.is_some() {
            self.base = self.ask("base", &path, reader, Pass::BASE, cases, progress)?;
        }
        Ok(())
    }

    /// Asks the learner after an epoch; returns what was measured, by name.
    ///
    /// # Errors
    /// When a question cannot be asked or its outcome kept.
    pub fn epoch(
        &mut self,
        epoch: u32,
        reader: &Reader,
        cases: &Cases,
        progress: &mut dyn Progress,
    ) -> Result<BTreeMap<String, f64>, BenchmarkError> {
        let path = self.folder.join(format!("epoch-{epoch}")).join("outcomes.jsonl");
        let outcomes = self.ask(&format!("epoch {epoch}"), &path, reader, Pass::ANSWER, cases, progress)?;
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (who, outcomes) in [("base", &self.base), ("now", &outcomes)] {
            for outcome in outcomes {
                for name in [
                    format!("accuracy/{who}/{}", outcome.condition),
                    format!("accuracy/{who}/{}/stage{}", outcome.condition, outcome.stage),
                ] {
                    let sum = sums.entry(name).or_default();
                    sum.0 += f64::from(u8::from(outcome.is_right()));
                    sum.1 += 1.0;
                }
            }
        }
        Ok(sums.into_iter().map(|(name, (right, all))| (name, right / all)).collect())
    }

    fn ask(
        &self,
        name: &str,
        path: &Path,
        reader: &Reader,
        pass: Pass,
        cases: &Cases,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Outcome>, BenchmarkError> {
        let Some(suite) = &self.suite else { return Ok(Vec::new()) };
        let plan = Plan::new(suite, &cases.eval);
        let known = if path.is_file() { store::read(path)? } else { Vec::new() };
        let known: HashMap<String, Outcome> = known.into_iter().map(|outcome| (outcome.key.clone(), outcome)).collect();
        let task = format!("benchmark {name}");
        let run = run(
            &plan,
            &cases.pictures,
            &mut ModelRespondent::new(reader, pass),
            Options {
                respondent: name,
                known: &known,
                batch: BATCH,
                progress: &mut |now| {
                    progress.advance(&task, now.done as u64, now.total as u64);
                    ControlFlow::Continue(())
                },
            },
        )?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| RunError::Picture {
                case_id: String::new(),
                index: 0,
                source: error.into(),
            })?;
        }
        store::write(path, &run.outcomes)?;
        Ok(run.outcomes)
    }

    /// The metric a checkpoint is chosen by, out of what an epoch measured.
    #[must_use]
    pub fn best_of(&self, metrics: &BTreeMap<String, f64>) -> Option<(String, f64)> {
        let name = "accuracy/now/clean".to_owned();
        metrics.get(&name).map(|value| (name, *value))
    }

    /// The report, once written.
    #[must_use]
    pub fn report(&self) -> Option<PathBuf> {
        self.report.clone()
    }
}
