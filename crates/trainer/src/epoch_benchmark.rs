//! The benchmark of a run: of the base first, and of the learner after every epoch, always the same questions.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::report::{self, EpochResult, ReportInput, worst};
use stepwise_benchmark::run::{Options, RunError, run};
use stepwise_benchmark::stats::bootstrap::Bootstrap;
use stepwise_benchmark::stats::power::{describe, power};
use stepwise_benchmark::store::{self, StoreError};
use stepwise_benchmark::suite::{Suite, SuiteError};
use stepwise_benchmark::summary::{Summary, skips};
use stepwise_curriculum::files::write_atomic;
use stepwise_vlm::model::parameter::Pass;
use stepwise_vlm::reader::Reader;

use crate::cases::Cases;
use crate::progress::Progress;
use crate::recipe::{Phase, Recipe, Suite as SuiteChoice};
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
    /// A file of the benchmark cannot be written.
    #[error("{path}: {error} -> check that the folder is writable and the disk has room")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

/// The benchmark of a run.
pub struct EpochBenchmark {
    suite: Option<Suite>,
    folder: PathBuf,
    every: u32,
    /// Part of every outcome's key: recipe, prompts and pixels.
    digest: String,
    /// What stands in the report's head: name and value.
    facts: Vec<(String, String)>,
    base: Option<(Vec<Outcome>, Summary)>,
    /// What every epoch tested so far came to.
    epochs: Vec<(u32, Summary)>,
    /// What every phase that has ended left.
    forgetting: Option<Forgetting>,
}

/// An epoch that is to be tested.
#[derive(Clone, Copy, Debug)]
pub struct EpochEnd<'a> {
    /// Epochs of the run that are done.
    pub epoch: u32,
    /// Optimiser steps that are done.
    pub step: u64,
    /// The phase that ends with it, where one does.
    pub phase: Option<&'a Phase>,
}

/// Cases shown as pictures in the report.
const WORST: usize = 8;

/// The outcomes of one respondent, and for each condition what was left out by reason.
pub type Asked = (Vec<Outcome>, Vec<BTreeMap<String, usize>>);

impl EpochBenchmark {
    /// Prepares what `[benchmark]` asks for, in the run's folder. `digest` tells this model and its prompts from others.
    ///
    /// # Errors
    /// When the suite cannot be read.
    pub fn open(recipe: &Recipe, run: &Path, digest: String, device: &str) -> Result<Self, BenchmarkError> {
        let suite = suite(recipe)?;
        let (folder, every) = (run.join("benchmark"), recipe.benchmark.every);
        let facts = [
            ("Base", recipe.model_name_or_path.display().to_string()),
            ("Cases", recipe.data.source.to_string()),
            ("Seed", recipe.seed.to_string()),
            ("Device", device.to_owned()),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let epochs = if suite.is_some() { earlier_epochs(&folder)? } else { Vec::new() };
        Ok(Self { suite, folder, every, digest, facts, base: None, epochs, forgetting: None })
    }

    /// Whether the benchmark runs after this epoch: always where a phase ends.
    #[must_use]
    pub fn is_due(&self, end: EpochEnd<'_>) -> bool {
        self.suite.is_some() && (end.phase.is_some() || end.epoch.is_multiple_of(self.every))
    }

    /// Asks the untouched base; what an earlier start of the run has asked is not asked again.
    ///
    /// # Errors
    /// When a question cannot be asked or its outcome kept.
    pub fn base(&mut self, reader: &Reader, cases: &Cases, progress: &mut dyn Progress) -> Result<(), BenchmarkError> {
        let Some(suite) = &self.suite else { return Ok(()) };
        let folder = self.folder.join("base");
        let (outcomes, skips) = self.ask(suite, "base", &folder, (reader, Pass::BASE), cases, progress)?;
        progress.note(&describe(&power(&Plan::new(suite, &cases.eval), Some(&outcomes))));
        let summary = Summary::new(suite, &skips, &outcomes, None, Bootstrap::default());
        write_summary(&folder, &summary)?;
        self.forgetting = Some(read_forgetting(&self.folder)?.unwrap_or_else(|| Forgetting::new(&summary)));
        self.base = Some((outcomes, summary));
        Ok(())
    }

    /// Asks the learner after an epoch; returns what was measured, by name. Where a phase ends, what it left of earlier ones
    /// is among it.
    ///
    /// # Errors
    /// When a question cannot be asked or its outcome kept.
    pub fn epoch(
        &mut self,
        end: EpochEnd<'_>,
        reader: &Reader,
        cases: &Cases,
        progress: &mut dyn Progress,
    ) -> Result<BTreeMap<String, f64>, BenchmarkError> {
        let (Some(suite), Some((base, _))) = (&self.suite, &self.base) else { return Ok(BTreeMap::new()) };
        let epoch = end.epoch;
        let name = format!("epoch-{epoch}");
        let folder = self.folder.join(&name);
        let (outcomes, skips) = self.ask(suite, &name, &folder, (reader, Pass::ANSWER), cases, progress)?;
        let summary = Summary::new(suite, &skips, &outcomes, Some(base), Bootstrap::default());
        write_summary(&folder, &summary)?;
        let mut scalars = scalars(&summary);
        if let (Some(phase), Some(forgetting)) = (end.phase, &mut self.forgetting) {
            forgetting.push(&phase.name, &phase.stages, epoch, end.step, &summary);
            write_json(&self.folder.join(FORGETTING), forgetting)?;
            scalars.extend(forgotten(forgetting));
        }
        self.epochs.retain(|(known, _)| *known < epoch);
        self.epochs.push((epoch, summary));
        self.write_report(&outcomes, cases)?;
        Ok(scalars)
    }

    /// Writes `report.html` about all epochs tested so far, and its tables as CSV under `benchmark/tables`; `outcomes` are
    /// the last one's.
    fn write_report(&self, outcomes: &[Outcome], cases: &Cases) -> Result<(), BenchmarkError> {
        let (Some(suite), Some((base_outcomes, base))) = (&self.suite, &self.base) else { return Ok(()) };
        let plan = Plan::new(suite, &cases.eval);
        let worst = worst::pick(&plan, &cases.pictures, outcomes, base_outcomes, WORST)?;
        let labels: Vec<String> = self.epochs.iter().map(|(epoch, _)| epoch.to_string()).collect();
        let epochs: Vec<EpochResult<'_>> =
            self.epochs.iter().zip(&labels).map(|((_, summary), label)| EpochResult { label, summary }).collect();
        let run = self.folder.parent().unwrap_or(&self.folder);
        let title = run.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let report = report::render(&ReportInput {
            title: &title,
            facts: &self.facts,
            base,
            epochs: &epochs,
            worst: &worst,
            forgetting: self.forgetting.as_ref(),
        });
        let tables = self.folder.join("tables");
        std::fs::create_dir_all(&tables).map_err(|error| file(&tables, error))?;
        let tables = report.tables.iter().map(|table| (tables.join(&table.name), &table.text));
        for (path, text) in tables.chain([(run.join("report.html"), &report.html)]) {
            write_atomic(&path, text.as_bytes()).map_err(|error| file(&path, error))?;
        }
        Ok(())
    }

    fn ask(
        &self,
        suite: &Suite,
        name: &str,
        folder: &Path,
        asked: (&Reader, Pass),
        cases: &Cases,
        progress: &mut dyn Progress,
    ) -> Result<Asked, BenchmarkError> {
        let path = folder.join("outcomes.jsonl");
        let known = if path.is_file() { store::read(&path)? } else { Vec::new() };
        let key = format!("{name}:{}", self.digest);
        let (outcomes, skips) = ask(suite, name, &key, asked, cases, known, progress)?;
        std::fs::create_dir_all(folder).map_err(|error| file(folder, error))?;
        store::write(&path, &outcomes)?;
        Ok((outcomes, skips))
    }

    /// The metric a checkpoint is chosen by, out of what an epoch measured: clean accuracy.
    #[must_use]
    pub fn best_of(&self, metrics: &BTreeMap<String, f64>) -> Option<(String, f64)> {
        let name = "benchmark/accuracy/clean".to_owned();
        metrics.get(&name).map(|value| (name, *value))
    }

    /// What every phase that has ended left of what was learned before.
    #[must_use]
    pub fn forgetting(&self) -> Option<&Forgetting> {
        self.forgetting.as_ref()
    }

    /// What every epoch tested came to, in order.
    #[must_use]
    pub fn into_epochs(self) -> Vec<(u32, Summary)> {
        self.epochs
    }
}

/// The suite that a recipe asks for after its epochs; none where nothing is tested.
///
/// # Errors
/// When it cannot be read.
pub fn suite(recipe: &Recipe) -> Result<Option<Suite>, SuiteError> {
    let mut suite = match &recipe.benchmark.suite {
        SuiteChoice::None => return Ok(None),
        SuiteChoice::Fast => Suite::fast(),
        SuiteChoice::File(path) => Suite::load(path)?,
    };
    let most = recipe.benchmark.max_cases.map(|most| most as usize);
    suite.max_cases = suite.max_cases.into_iter().chain(most).min();
    suite.answer_form = recipe.train.answer_form;
    Ok(Some(suite))
}

/// Asks a suite of a model as it is in a pass. `key` tells it from all other models; outcomes `known` under it are not
/// asked again.
///
/// # Errors
/// When a question cannot be asked.
pub fn ask(
    suite: &Suite,
    name: &str,
    key: &str,
    (reader, pass): (&Reader, Pass),
    cases: &Cases,
    known: Vec<Outcome>,
    progress: &mut dyn Progress,
) -> Result<Asked, BenchmarkError> {
    let plan = Plan::new(suite, &cases.eval);
    let known: HashMap<String, Outcome> = known.into_iter().map(|outcome| (outcome.key.clone(), outcome)).collect();
    let task = format!("benchmark {name}");
    let options = Options {
        respondent: key,
        known: &known,
        batch: BATCH,
        surrogate: None,
        progress: &mut |now| {
            progress.advance(&task, now.done as u64, now.total as u64);
            ControlFlow::Continue(())
        },
    };
    let run = run(&plan, &cases.pictures, &mut ModelRespondent::new(reader, pass), options)?;
    let skips = skips(&plan, &run);
    Ok((run.outcomes, skips))
}

/// Summaries that an earlier start of the run has left.
fn earlier_epochs(folder: &Path) -> Result<Vec<(u32, Summary)>, BenchmarkError> {
    let mut epochs = Vec::new();
    for epoch in 1.. {
        let path = folder.join(format!("epoch-{epoch}")).join("summary.json");
        if !path.is_file() {
            break;
        }
        let json = std::fs::read(&path).map_err(|error| file(&path, error))?;
        epochs.push((epoch, serde_json::from_slice(&json).map_err(|error| file(&path, error.into()))?));
    }
    Ok(epochs)
}

fn file(path: &Path, error: std::io::Error) -> BenchmarkError {
    BenchmarkError::File { path: path.display().to_string(), error }
}

fn write_summary(folder: &Path, summary: &Summary) -> Result<(), BenchmarkError> {
    write_json(&folder.join("summary.json"), summary)
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), BenchmarkError> {
    let json = serde_json::to_vec_pretty(value).map_err(|error| file(path, error.into()))?;
    write_atomic(path, &json).map_err(|error| file(path, error))
}

/// The forgetting ledger below the folder of a run's benchmark.
pub const FORGETTING: &str = "forgetting.json";

/// The ledger that a run's benchmark has left; none where no phase has ended.
///
/// # Errors
/// When the file cannot be read.
pub fn read_forgetting(folder: &Path) -> Result<Option<Forgetting>, BenchmarkError> {
    let path = folder.join(FORGETTING);
    match std::fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json).map(Some).map_err(|error| file(&path, error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(&path, error)),
    }
}

/// The ledger's last row as named numbers.
fn forgotten(forgetting: &Forgetting) -> BTreeMap<String, f64> {
    let by_stage = (1..).zip(forgetting.forgotten());
    let by_stage = by_stage.filter_map(|(stage, lost)| Some((format!("forgetting/stage_{stage}"), lost?)));
    let transfer = forgetting.backward_transfer.map(|transfer| ("forgetting/backward_transfer".to_owned(), transfer));
    by_stage.chain(transfer).collect()
}

/// A summary as named numbers: metrics, and the gain of each over the base. The parts of a name are its levels.
fn scalars(summary: &Summary) -> BTreeMap<String, f64> {
    let mut scalars = BTreeMap::new();
    let mut put = |group: &str, id: &str, value: Option<f64>| {
        if let Some(value) = value {
            scalars.insert(format!("{group}/{}", id.replace(':', "/")), value);
        }
    };
    for (id, metric) in &summary.metrics {
        put("benchmark", id, metric.estimate.value);
        put("gain", id, metric.gain_vs_base.and_then(|gain| gain.value));
    }
    scalars
}
