//! Benchmark of a run: the base is evaluated first, the trained model after its epochs, always on the same questions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::metrics::endpoints;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::power::{describe, power};
use stepwise_benchmark::runner::RunError;
use stepwise_benchmark::stats::bootstrap::Bootstrap;
use stepwise_benchmark::store::{self, StoreError};
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::suite_file::SuiteError;
use stepwise_benchmark::summary::Summary;
use stepwise_config::nearest::nearest;
use stepwise_recipe::{PhaseRecipe, Recipe, SuiteChoice};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::cases::Cases;
use crate::evaluation::evaluate::{AnswerStore, Evaluated, Evaluation, ModelUnderTest};
use crate::evaluation::report::{LastEvaluation, LoadedModels, RunReport, file, write_json, write_summary};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::selection::{Best, Rule, Selection, Weighed};

/// Why a benchmark failed or was interrupted.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The suite cannot be read.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// A question cannot be evaluated, or the evaluation was interrupted.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Outcomes cannot be read or stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule of the recipe uses a metric that the suite does not measure.
    #[error("{key}: the benchmark does not measure `{metric}` -> {help}")]
    Unmeasured {
        /// Key or rule of the recipe.
        key: String,
        /// Name of the metric.
        metric: String,
        /// Advice.
        help: String,
    },
    /// The predicted answers of a phase that has started are missing.
    #[error(
        "{path}: the file is missing or belongs to another run, and phase `{phase}` already started -> restore the \
         file, or resume from the last checkpoint of the previous phase"
    )]
    Predicted {
        /// File of the answers.
        path: String,
        /// Name of the phase.
        phase: String,
    },
    /// A file of the benchmark cannot be read or written.
    #[error("{path}: {error} -> check that the folder is writable and the disk has room")]
    File {
        /// Path of the file.
        path: String,
        /// Cause.
        error: std::io::Error,
    },
}

/// State of the benchmark of a run.
pub struct EpochEvaluator {
    suite: Option<Suite>,
    /// Rule for choosing the best epoch; None without a suite.
    rule: Option<Rule>,
    folder: PathBuf,
    every: u32,
    /// Digest of recipe, prompts and pixel pipeline; part of the key of every answer of the trained model.
    digest: String,
    /// Key of the base: model, prompts, pixel pipeline and device.
    base_key: String,
    /// Outcome file with answers of the same base from another run.
    base_answers: Option<PathBuf>,
    /// Facts in the head of the report, as name and value.
    facts: Vec<(String, String)>,
    base: Option<(Vec<Outcome>, Summary)>,
    /// Summaries of the epochs evaluated so far, with the number of the epoch.
    epochs: Vec<(u32, Summary)>,
    /// Forgetting table: accuracy of all stages after every completed phase.
    forgetting: Option<Forgetting>,
}

/// The end of an epoch that may be evaluated.
#[derive(Clone, Copy, Debug)]
pub struct EpochEnd<'a> {
    /// Number of the epoch in the run, from 1.
    pub epoch: u32,
    /// Completed optimiser steps.
    pub step: u64,
    /// Phase of the epoch.
    pub phase: &'a PhaseRecipe,
    /// Number of the phase's first epoch.
    pub first_epoch: u32,
    /// Whether the epoch is the last one of its phase.
    pub ends_phase: bool,
}

/// Results of an epoch's benchmark.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluatedEpoch {
    /// Metrics by name, for example `benchmark/accuracy/clean`.
    pub metrics: BTreeMap<String, f64>,
    /// Whether the `early_advance` rule ends the phase early.
    pub advances_early: bool,
    /// Comparison of the epoch with the earlier ones; None if it was not evaluated.
    pub weighed: Option<Weighed>,
}

/// Checks that the suite measures the metrics of all `early_advance` rules and of `metric_for_best_model`. With another metric, no
/// phase could end early and no epoch could be chosen.
///
/// # Errors
/// [`BenchmarkError::Unmeasured`] for the first rule whose metric is not measured.
pub fn check_rules(recipe: &Recipe, suite: Option<&Suite>) -> Result<(), BenchmarkError> {
    let early_advances = recipe.curriculum.phase.iter().filter_map(|phase| {
        let early_advance = phase.examples.early_advance.as_ref()?;
        Some((format!("`early_advance` rule of phase `{}`", phase.name), Some(&early_advance.metric)))
    });
    let best_model = &recipe.train.best_model;
    // Without a suite no epoch is chosen, so `metric_for_best_model` is not checked.
    let selecting = [
        ("train.metric_for_best_model", best_model.metric.as_ref()),
        ("train.best_model_guard", Some(&best_model.guard)),
    ];
    let selecting = selecting.into_iter().filter(|_| suite.is_some()).map(|(key, metric)| (key.to_owned(), metric));
    let rules = early_advances.chain(selecting);
    let known = suite.map(endpoints).unwrap_or_default();
    for (key, metric) in rules.filter_map(|(key, metric)| Some((key, metric?))) {
        if !known.contains(metric) {
            let near = nearest(metric, known.iter().map(String::as_str));
            let help = match (suite, near) {
                (None, _) => "set `benchmark.suite`: `early_advance` rules need a benchmark".to_owned(),
                (_, Some(near)) => format!("did you mean `{near}`?"),
                _ => "use a metric name from a run's `summary.json`, such as `accuracy:clean:stage_1`".to_owned(),
            };
            return Err(BenchmarkError::Unmeasured { key, metric: metric.clone(), help });
        }
    }
    Ok(())
}

/// Evaluation context: model, cases, progress and interrupt.
pub struct EvalContext<'a> {
    /// The model in training.
    pub pipeline: &'a VlmPipeline,
    /// Cases of the run.
    pub cases: &'a Cases,
    /// Receiver of progress events.
    pub progress: &'a mut dyn Progress,
    /// Stops the evaluation between two answers. Earlier answers are kept and not computed again.
    pub interrupt: &'a Interrupt,
}

impl BenchmarkError {
    /// Whether the benchmark was interrupted. Earlier answers are kept.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Run(RunError::Stopped))
    }
}

impl EpochEvaluator {
    /// Prepares the benchmark of `[benchmark]` in the folder `run`. `prompt_digest` identifies prompts and pixel
    /// pipeline. In a resumed run, results of epochs later than `through` are dropped and computed again.
    /// `base_answers` is an outcome file; its answers of the same base on the same device are reused.
    ///
    /// # Errors
    /// When the suite or an earlier result cannot be read, or a rule uses a metric that the suite does not measure.
    pub fn open(
        recipe: &Recipe,
        run: &Path,
        prompt_digest: &str,
        device: &str,
        through: u32,
        base_answers: Option<&Path>,
    ) -> Result<Self, BenchmarkError> {
        let suite = suite(recipe)?;
        check_rules(recipe, suite.as_ref())?;
        let train = &recipe.train;
        let rule = suite.as_ref().map(|suite| Rule::new(&train.best_model, train.early_stopping, suite));
        let (folder, every) = (run.join("benchmark"), recipe.benchmark.every);
        let facts = [
            ("Base", recipe.model_name_or_path.display().to_string()),
            ("Cases", recipe.data.source.to_string()),
            ("Seed", recipe.seed.to_string()),
            ("Device", device.to_owned()),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let (mut epochs, mut forgetting) = (Vec::new(), None);
        if suite.is_some() {
            epochs = earlier_epochs(&folder)?;
            epochs.retain(|(epoch, _)| *epoch <= through);
            forgetting = read_forgetting(&folder)?;
        }
        if let Some(forgetting) = &mut forgetting {
            forgetting.keep_through(through);
        }
        Ok(Self {
            suite,
            rule,
            folder,
            every,
            digest: format!("{}:{prompt_digest}", recipe.digest()),
            base_key: format!("base:{}:{prompt_digest}:{device}", recipe.base_digest()),
            base_answers: base_answers.map(Path::to_owned),
            facts,
            base: None,
            epochs,
            forgetting,
        })
    }

    /// Whether the benchmark runs after this epoch: every `every` epochs and at the end of each phase. False
    /// without a suite.
    #[must_use]
    pub fn is_due(&self, end: EpochEnd<'_>) -> bool {
        self.suite.is_some() && (end.ends_phase || end.epoch.is_multiple_of(self.every))
    }

    /// Whether the suite has transferred attacks. [`EpochEvaluator::epoch`] then needs the base.
    #[must_use]
    pub fn needs_surrogate(&self) -> bool {
        self.suite.as_ref().is_some_and(Suite::needs_surrogate)
    }

    /// Evaluates the untouched base. Answers from an earlier start of the run are reused.
    ///
    /// # Errors
    /// When the evaluation fails or is interrupted, or a file cannot be read or written.
    pub fn base(&mut self, eval_context: &mut EvalContext<'_>) -> Result<(), BenchmarkError> {
        let Some(suite) = &self.suite else { return Ok(()) };
        let folder = self.folder.join("base");
        let model = ModelUnderTest { key: &self.base_key, pipeline: eval_context.pipeline, pass: Pass::BASE };
        let plan = Plan::new(suite, &eval_context.cases.eval);
        let Evaluated { outcomes, skips, .. } = self.ask(&plan, "base", model, None, eval_context)?;
        eval_context.progress.note(&describe(&power(&plan, Some(&outcomes))));
        let summary = Summary::new(suite, &skips, &outcomes, None, Bootstrap::default());
        write_summary(&folder, &summary)?;
        self.forgetting.get_or_insert_with(|| Forgetting::new(&summary));
        self.base = Some((outcomes, summary));
        Ok(())
    }

    /// Evaluates the model after an epoch, updates `selection`, and writes summary and report. Returns the metrics; at
    /// the end of a phase they include forgetting. `base` is the gradient source of transferred attacks, used with its
    /// adapter off. Does nothing without a suite or before [`EpochEvaluator::base`].
    ///
    /// # Errors
    /// When the evaluation fails or is interrupted, or a file cannot be read or written.
    pub fn epoch(
        &mut self,
        end: EpochEnd<'_>,
        base: Option<&VlmPipeline>,
        selection: &mut Selection,
        eval_context: &mut EvalContext<'_>,
    ) -> Result<EvaluatedEpoch, BenchmarkError> {
        let (Some(suite), Some((base_outcomes, base_summary))) = (&self.suite, &self.base) else {
            return Ok(EvaluatedEpoch::default());
        };
        let epoch = end.epoch;
        let name = format!("epoch-{epoch}");
        let key = format!("{name}:{}", self.digest);
        let model = ModelUnderTest { key: &key, pipeline: eval_context.pipeline, pass: Pass::ANSWER };
        let base = base.map(|pipeline| ModelUnderTest { key: &self.base_key, pipeline, pass: Pass::BASE });
        let plan = Plan::new(suite, &eval_context.cases.eval);
        let Evaluated { outcomes, skips, .. } = self.ask(&plan, &name, model, base, eval_context)?;
        let summary = Summary::new(suite, &skips, &outcomes, Some(base_outcomes), Bootstrap::default());
        write_summary(&self.folder.join(&name), &summary)?;
        let mut scalars = scalars(&summary);
        let weigh = |rule| selection.weigh(rule, base_summary, (epoch, end.step), &summary);
        let weighed = self.rule.as_ref().map(weigh);
        let stops = weighed.as_ref().is_some_and(|weighed| weighed.stop);
        self.epochs.push((epoch, summary));
        let advances_early = !end.ends_phase && self.advances_early(end);
        if let (true, Some(forgetting), Some((_, summary))) =
            (end.ends_phase || advances_early || stops, &mut self.forgetting, self.epochs.last())
        {
            forgetting.push(&end.phase.name, &end.phase.stages, epoch, end.step, summary);
            write_json(&self.folder.join(FORGETTING), forgetting)?;
            scalars.extend(forgotten(forgetting));
        }
        let models = LoadedModels { model, surrogate: base };
        let pictures = &eval_context.cases.pictures;
        let last = LastEvaluation { plan: &plan, pictures, outcomes: &outcomes, base: base_outcomes, models };
        self.write_report(base_summary, last, selection.best.as_ref())?;
        Ok(EvaluatedEpoch { metrics: scalars, advances_early, weighed })
    }

    /// Whether the `early_advance` rule ends the phase after the last evaluated epoch.
    fn advances_early(&self, end: EpochEnd<'_>) -> bool {
        let Some(early_advance) = &end.phase.examples.early_advance else { return false };
        let of_phase = self.epochs.iter().filter(|(epoch, _)| *epoch >= end.first_epoch);
        let found: Vec<_> = of_phase.filter_map(|(_, summary)| summary.metrics.get(&early_advance.metric)).collect();
        let higher = found.last().is_none_or(|metric| metric.better != Better::Lower);
        let values: Vec<Option<f64>> = found.iter().map(|metric| metric.estimate.value).collect();
        early_advance.is_due(&values, higher)
    }

    /// Writes `report.html` about the base and all epochs evaluated so far, and its tables as CSV into
    /// `benchmark/tables`. `last` is the evaluation of the last epoch.
    fn write_report(
        &self,
        base: &Summary,
        last: LastEvaluation<'_>,
        best: Option<&Best>,
    ) -> Result<(), BenchmarkError> {
        let tested: Vec<_> = self.epochs.iter().map(|(epoch, summary)| (epoch.to_string(), summary)).collect();
        let run = self.folder.parent().unwrap_or(&self.folder);
        let title = run.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let forgetting = self.forgetting.as_ref();
        let chosen = best.map_or_else(|| "no epoch fulfils the guard".to_owned(), ToString::to_string);
        let facts: Vec<_> = self.facts.iter().cloned().chain([("Best".to_owned(), chosen)]).collect();
        let (title, facts, tested, last) = (&title, &facts, &tested, Some(last));
        RunReport { title, facts, base, tested, last, forgetting }
            .write(&run.join("report.html"), &self.folder.join("tables"))
    }

    /// Evaluates the questions that are not in `NAME/outcomes.jsonl` and, for the base, not in `base_answers`. Until
    /// the evaluation is complete, its answers are in a journal file in the same folder.
    fn ask(
        &self,
        plan: &Plan<'_>,
        name: &str,
        model: ModelUnderTest<'_>,
        surrogate: Option<ModelUnderTest<'_>>,
        eval_context: &mut EvalContext<'_>,
    ) -> Result<Evaluated, BenchmarkError> {
        let folder = self.folder.join(name);
        let (path, journal) = (folder.join(OUTCOMES), folder.join("outcomes.part.jsonl"));
        let evaluation = Evaluation { name, model, surrogate, plan, pictures: &eval_context.cases.pictures };
        let mut memory = AnswerStore::journal(&journal)?.and_file(&path)?;
        if let Some(answers) = self.base_answers.as_ref().filter(|_| model.pass == Pass::BASE) {
            memory = memory.and_file(answers)?;
        }
        let answers = evaluation.ask(&mut memory, eval_context.progress, eval_context.interrupt)?;
        store::write(&path, &answers.outcomes)?;
        // All answers are in the outcome file now.
        std::fs::remove_file(&journal).map_err(|error| file(&journal, error))?;
        Ok(answers)
    }

    /// Forgetting table of the completed phases; None before the base was evaluated.
    #[must_use]
    pub fn forgetting(&self) -> Option<&Forgetting> {
        self.forgetting.as_ref()
    }

    /// Summaries of all evaluated epochs, in order.
    #[must_use]
    pub fn into_epochs(self) -> Vec<(u32, Summary)> {
        self.epochs
    }
}

/// Suite of the recipe's `[benchmark]`, with its case limit and answer form. None for `suite = "none"`.
///
/// # Errors
/// When the suite file cannot be read.
pub fn suite(recipe: &Recipe) -> Result<Option<Suite>, SuiteError> {
    let mut suite = match &recipe.benchmark.suite {
        SuiteChoice::None => return Ok(None),
        SuiteChoice::Fast => Suite::fast(),
        SuiteChoice::Full => Suite::full(),
        SuiteChoice::File(path) => Suite::load(path)?,
    };
    let most = recipe.benchmark.max_cases.map(|most| most as usize);
    suite.max_cases = suite.max_cases.into_iter().chain(most).min();
    suite.answer_form = recipe.train.answer_form;
    Ok(Some(suite))
}

/// Summaries of an earlier start of the run, in order. Epochs without a complete benchmark are missing.
fn earlier_epochs(folder: &Path) -> Result<Vec<(u32, Summary)>, BenchmarkError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file(folder, error)),
    };
    let mut epochs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| file(folder, error))?;
        let name = entry.file_name();
        let epoch = name.to_str().and_then(|name| name.strip_prefix("epoch-")).and_then(|number| number.parse().ok());
        let path = entry.path().join("summary.json");
        let Some(epoch) = epoch.filter(|_| path.is_file()) else { continue };
        let json = std::fs::read(&path).map_err(|error| file(&path, error))?;
        epochs.push((epoch, serde_json::from_slice(&json).map_err(|error| file(&path, error.into()))?));
    }
    epochs.sort_unstable_by_key(|(epoch, _)| *epoch);
    Ok(epochs)
}

/// Name of the outcome file in the folder of an epoch's benchmark.
const OUTCOMES: &str = "outcomes.jsonl";

/// Path of the outcome file of the untouched base, for the run in `folder`.
#[must_use]
pub fn base_outcomes(folder: &Path) -> PathBuf {
    folder.join("benchmark").join("base").join(OUTCOMES)
}

/// Name of the forgetting table in the benchmark folder of a run.
pub const FORGETTING: &str = "forgetting.json";

/// Reads the forgetting table from the benchmark folder of a run. None if no phase has ended.
///
/// # Errors
/// When the file cannot be read or is invalid.
pub fn read_forgetting(folder: &Path) -> Result<Option<Forgetting>, BenchmarkError> {
    let path = folder.join(FORGETTING);
    match std::fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json).map(Some).map_err(|error| file(&path, error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(&path, error)),
    }
}

/// Last row of the forgetting table as named numbers.
fn forgotten(forgetting: &Forgetting) -> BTreeMap<String, f64> {
    let by_stage = (1..).zip(forgetting.forgotten());
    let by_stage = by_stage.filter_map(|(stage, lost)| Some((format!("forgetting/stage_{stage}"), lost?)));
    let transfer = forgetting.backward_transfer.map(|transfer| ("forgetting/backward_transfer".to_owned(), transfer));
    by_stage.chain(transfer).collect()
}

/// A summary as named numbers: the metrics, and their gains over the base. `/` separates the levels of a name.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_earlier_epochs_are_found_despite_gaps() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(earlier_epochs(&folder.path().join("none")).expect("nothing yet").is_empty());
        let suite = Suite::fast();
        let summary = Summary::new(&suite, &[], &[], None, Bootstrap { resamples: 1, ..Bootstrap::default() });
        for name in ["epoch-10", "epoch-2", "epoch-4", "base", "tables"] {
            let folder = folder.path().join(name);
            std::fs::create_dir_all(&folder).expect("made");
            write_summary(&folder, &summary).expect("written");
        }
        // An interrupted epoch has no summary yet.
        std::fs::create_dir_all(folder.path().join("epoch-12")).expect("made");
        let found = earlier_epochs(folder.path()).expect("read");
        assert_eq!(found.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [2, 4, 10]);
        assert_eq!(found[0].1, summary);
    }
}
