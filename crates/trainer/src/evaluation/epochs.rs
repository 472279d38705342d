//! Benchmark of a run: the base is evaluated first, the trained model after its epochs, always on the same questions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::power::{describe, power};
use stepwise_benchmark::run_report::{EpochResult, Renderer};
use stepwise_benchmark::store::{self, StoreError};
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_recipe::{PhaseRecipe, Recipe};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::cases::Cases;
use crate::checkpoint::delivered::preferred;
use crate::evaluation::curve;
use crate::evaluation::error::BenchmarkError;
use crate::evaluation::eval_loss::eval_loss;
use crate::evaluation::evaluate::{AnswerStore, Evaluated, Evaluation, ModelUnderTest};
use crate::evaluation::files::{
    EVAL_LOSS, FORGETTING, OUTCOMES, earlier_epochs, forgotten, read_forgetting, scalars, write_json, write_summary,
};
use crate::evaluation::report::{LoadedModels, ModelEvaluation, RunReport};
use crate::evaluation::suite::{check_rules, recipe_suite};
use crate::interrupt::Interrupt;
use crate::log::Work;
use crate::progress::Progress;
use crate::selection::{Best, Rule, Selection, Weighed};
use crate::standings::Standings;

/// Benchmark of a run in progress: suite, rule for the best epoch, and results so far.
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
    /// Questions that this process asked, with the time that they took.
    asked: Work,
    /// Questions of one evaluation; 0 before the base was evaluated.
    questions: u64,
    /// Facts in the head of the report, as name and value.
    facts: Vec<(String, String)>,
    /// Sentences about evaluation cases that the training, or an earlier one of the base, contains in part; None where
    /// there are none.
    leaks: Option<String>,
    base: Option<(Vec<Outcome>, Summary)>,
    /// Summaries of the epochs evaluated so far, with the number of the epoch.
    epochs: Vec<(u32, Summary)>,
    /// Forgetting table: accuracy of all stages after every completed phase.
    forgetting: Option<Forgetting>,
    /// Renderer of the report.
    render: Renderer,
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
    /// Number of the phase's first epoch in the run, from 1.
    pub first_epoch: u32,
    /// Whether the epoch is the last one of its phase.
    pub ends_phase: bool,
    /// Whether a step of the run so far had a learning rate above 0. Before such a step no epoch is chosen.
    pub run_trained: bool,
    /// Whether a step of the phase so far had a learning rate above 0. Before such a step the phase is not ended early.
    pub phase_trained: bool,
}

/// Results of an epoch's benchmark.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluatedEpoch {
    /// Metrics by name, for example `benchmark/accuracy/clean`; empty if the epoch was not evaluated.
    pub metrics: BTreeMap<String, f64>,
    /// Whether the `early_advance` rule ends the phase early.
    pub advances_early: bool,
    /// Comparison of the epoch with the earlier ones; None if it was not evaluated.
    pub weighed: Option<Weighed>,
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

impl EpochEvaluator {
    /// Prepares the benchmark of `[benchmark]` in the folder `run`. `prompt_digest` identifies prompts and pixel
    /// pipeline, and `device` names the device. In a resumed run, results of epochs later than `through` are dropped
    /// and computed again; `through` is 0 in a new run. `base_answers` is an outcome file; its answers of the same base
    /// on the same device are reused. `render` renders the report after every evaluated epoch.
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
        render: Renderer,
    ) -> Result<Self, BenchmarkError> {
        let suite = recipe_suite(recipe)?;
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
            epochs = earlier_epochs(&folder, through)?;
            // Before the first evaluated epoch no phase has ended, and a damaged table does no harm.
            forgetting = if epochs.is_empty() { None } else { read_forgetting(&folder)? };
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
            asked: Work::default(),
            questions: 0,
            facts,
            leaks: None,
            base: None,
            epochs,
            forgetting,
            render,
        })
    }

    /// Returns whether the benchmark runs after this epoch: every `every` epochs and at the end of each phase. False
    /// without a suite.
    #[must_use]
    pub fn is_due(&self, end: EpochEnd<'_>) -> bool {
        self.suite.is_some() && (end.ends_phase || end.epoch.is_multiple_of(self.every))
    }

    /// Returns whether the suite has transferred attacks, for which [`EpochEvaluator::epoch`] needs the base.
    #[must_use]
    pub fn needs_surrogate(&self) -> bool {
        self.suite.as_ref().is_some_and(Suite::needs_surrogate)
    }

    /// Evaluates the untouched base and writes outcomes and summary into `benchmark/base`. Answers from an earlier
    /// start of the run are reused. Does nothing without a suite.
    ///
    /// # Errors
    /// When the evaluation fails or is interrupted, or a file cannot be read or written.
    pub fn base(&mut self, eval_context: &mut EvalContext<'_>) -> Result<(), BenchmarkError> {
        let Some(suite) = &self.suite else { return Ok(()) };
        let folder = self.folder.join("base");
        let model = ModelUnderTest { key: &self.base_key, pipeline: eval_context.pipeline, pass: Pass::BASE };
        let plan = Plan::new(suite, &eval_context.cases.eval);
        let Evaluated { outcomes, skips, asked, time, .. } = self.ask(&plan, "base", model, None, eval_context)?;
        let questions = plan.entries.len() as u64;
        eval_context.progress.note(&describe(&power(&plan, Some(&outcomes))));
        let summary = Summary::new(suite, &skips, &outcomes, None);
        write_summary(&folder, &summary)?;
        self.forgetting.get_or_insert_with(|| Forgetting::new(&summary));
        self.base = Some((outcomes, summary));
        self.asked.add(time, asked as u64);
        self.questions = questions;
        Ok(())
    }

    /// Evaluates the model after an epoch, updates `selection`, and writes outcomes, summary and report. Returns the
    /// metrics; at the end of a phase they include forgetting. `base` is the gradient source of transferred attacks,
    /// used with its adapter off; with None their conditions are skipped. Does nothing without a suite or before
    /// [`EpochEvaluator::base`].
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
        let Evaluated { outcomes, skips, asked, time, .. } = self.ask(&plan, &name, model, base, eval_context)?;
        let summary = Summary::new(suite, &skips, &outcomes, Some(base_outcomes));
        write_summary(&self.folder.join(&name), &summary)?;
        let mut scalars = scalars(&summary);
        let loss = eval_loss(&plan, &outcomes);
        scalars.extend(loss.map(|loss| (EVAL_LOSS.to_owned(), loss)));
        let weigh = |rule| selection.weigh(rule, base_summary, (epoch, end.step), &summary);
        let weighed = self.rule.as_ref().filter(|_| end.run_trained).map(weigh);
        let stops = weighed.as_ref().is_some_and(|weighed| weighed.stop);
        self.epochs.push((epoch, summary));
        self.asked.add(time, asked as u64);
        let mut advances_early = !end.ends_phase && self.advances_early(end);
        let progress = &mut eval_context.progress;
        if self.rule.is_some() && !end.run_trained {
            progress.note(&format!("epoch {epoch} is not chosen: no step has had a learning rate above 0 yet"));
        }
        if advances_early && !end.phase_trained {
            advances_early = false;
            let name = &end.phase.name;
            progress.note(&format!("{name}: `early_advance` waits for a step with a learning rate above 0"));
        }
        if let (true, Some(forgetting), Some((_, summary))) =
            (end.ends_phase || advances_early || stops, &mut self.forgetting, self.epochs.last())
        {
            forgetting.push(&end.phase.name, &end.phase.stages, epoch, end.step, summary);
            write_json(&self.folder.join(FORGETTING), forgetting)?;
            scalars.extend(forgotten(forgetting));
        }
        let delivered = preferred(selection.best.as_ref().map(|best| best.epoch), Some(epoch)).unwrap_or(epoch);
        let stored: Vec<Outcome>;
        let (outcomes, models) = if delivered == epoch {
            (&outcomes, Some(LoadedModels { model, surrogate: base }))
        } else {
            stored = store::read(&self.folder.join(format!("epoch-{delivered}")).join(OUTCOMES))?;
            (&stored, None)
        };
        let pictures = &eval_context.cases.pictures;
        let model = ModelEvaluation { plan: &plan, pictures, outcomes, base: base_outcomes, models };
        let loss = loss.map(|loss| (end.step, loss));
        self.write_report(base_summary, model, loss, (delivered, selection.best.as_ref()))?;
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
    /// `benchmark/tables`. The report is about the epoch `delivered`, whose evaluation is `model`; `loss` is the
    /// evaluation loss of the last epoch with its step, which the log does not hold yet; `best` is the chosen epoch.
    fn write_report(
        &self,
        base: &Summary,
        model: ModelEvaluation<'_>,
        loss: Option<(u64, f64)>,
        (delivered, best): (u32, Option<&Best>),
    ) -> Result<(), BenchmarkError> {
        let run = self.folder.parent().unwrap_or(&self.folder);
        let title = run.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let standings = self.standings(Some(delivered));
        let warning = standings.as_ref().and_then(Standings::warning);
        let warnings: Vec<&str> = self.leaks.as_deref().into_iter().chain(warning.as_deref()).collect();
        let warning = (!warnings.is_empty()).then(|| warnings.join(". "));
        let remark = |place: usize| standings.as_ref().map_or("", |standings| standings.epochs[place].remark());
        let labels: Vec<String> = self.epochs.iter().map(|(epoch, _)| epoch.to_string()).collect();
        let tested: Vec<EpochResult<'_>> = (self.epochs.iter().zip(&labels).enumerate())
            .map(|(place, ((_, summary), label))| EpochResult { label, summary, remark: remark(place) })
            .collect();
        let mut training = curve::read(&run.join("trainer_log.jsonl"));
        training.evaluations.splice(..0, eval_loss(model.plan, model.base).map(|loss| (0, loss)));
        training.evaluations.extend(loss);
        let chosen = best.map_or_else(
            || format!("epoch {delivered}, the newest: no epoch stays within `best_model_max_drop`"),
            |best| format!("`best`, {best}"),
        );
        let facts: Vec<_> = self.facts.iter().cloned().chain([("Delivered".to_owned(), chosen)]).collect();
        RunReport {
            title: &title,
            facts: &facts,
            base,
            tested: &tested,
            delivered: self.epochs.iter().position(|(epoch, _)| *epoch == delivered),
            warning: warning.as_deref(),
            training: Some(&training),
            model: Some(model),
            forgetting: self.forgetting.as_ref(),
        }
        .write(self.render, &run.join("report.html"), &self.folder.join("tables"))
    }

    /// Sets sentences for the report about evaluation cases that the training, or an earlier training of the base,
    /// contains in part; None for none.
    pub fn set_leaks(&mut self, sentences: Option<String>) {
        self.leaks = sentences;
    }

    /// Returns all epochs evaluated so far next to the base; None without a suite. `delivered` is the delivered epoch;
    /// None if no epoch is delivered.
    #[must_use]
    pub fn standings(&self, delivered: Option<u32>) -> Option<Standings> {
        let epochs = self.epochs.iter().map(|(epoch, summary)| (*epoch, summary));
        Some(Standings::new(self.rule.as_ref()?, epochs, delivered))
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
        let mut memory = match AnswerStore::journal(&journal)?.and_file(&path) {
            Err(StoreError::Lines { .. }) => {
                let path = path.display();
                eval_context.progress.warning(&format!("{path}: is damaged, so all its questions are asked again"));
                AnswerStore::journal(&journal)?
            }
            memory => memory?,
        };
        if let Some(answers) = self.base_answers.as_ref().filter(|_| model.pass == Pass::BASE) {
            memory = memory.and_file(answers)?;
        }
        let answers = evaluation.ask(&mut memory, eval_context.progress, eval_context.interrupt)?;
        store::write(&path, &answers.outcomes)?;
        // All answers are in the outcome file now.
        std::fs::remove_file(&journal).map_err(|error| BenchmarkError::file(&journal, error))?;
        Ok(answers)
    }

    /// Questions that this process asked, with the time that they took.
    #[must_use]
    pub fn asked(&self) -> Work {
        self.asked
    }

    /// Questions of one evaluation; 0 before the base was evaluated.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.questions
    }

    /// Returns the forgetting table of the completed phases; None before the base was evaluated.
    #[must_use]
    pub fn forgetting(&self) -> Option<&Forgetting> {
        self.forgetting.as_ref()
    }

    /// Returns the numbers and summaries of all evaluated epochs, in order.
    #[must_use]
    pub fn into_epochs(self) -> Vec<(u32, Summary)> {
        self.epochs
    }
}
