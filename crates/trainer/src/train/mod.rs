//! Training loop: phases, epochs and steps, with a benchmark of the base at the start and of the model
//! after its epochs.

mod save;

mod error;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use stepwise_benchmark::summary::Summary;
use stepwise_curriculum::run_plan::{RunPlan, StepPosition};
use stepwise_data::prompt::PROMPT_VERSION;
use stepwise_recipe::{Freeze, OnNonfinite, Recipe};
use stepwise_vlm::pipeline::VlmPipeline;

pub use error::TrainError;

use crate::batches::prefetch::{BatchSource, Prefetcher};
use crate::cases::Cases;
use crate::checkpoint::{self, RunFolder, Skipped, StepLoss, TrainerState};
use crate::environment::{Environment, peak_memory_mib};
use crate::evaluation::epochs::{EpochEnd, EpochEvaluator, EvalContext, EvaluatedEpoch};
use crate::evaluation::predicted::Predicted;
use crate::frozen::FrozenDigests;
use crate::interrupt::Interrupt;
use crate::learner::Learner;
use crate::log::{MetricsLine, Pace, Resumed, RunLog, StepLine, Tally};
use crate::optim::learning_rates::Rates;
use crate::optim::step::{StepError, StepOptions, step};
use crate::preflight::Preflight;
use crate::preflight::dry_run::dry_run;
use crate::preflight::freeze_groups::FreezeGroup;
use crate::preflight::token_stats::LargestBatch;
use crate::progress::{EpochLine, Progress};
use crate::selection::{Best, Selection};

/// Number of logged losses stored in a checkpoint.
const LOSS_HISTORY: usize = 100;

/// Number of failed steps in a row that ends the run. So many failures are caused by the model and not by single cases.
const SKIPPED_IN_A_ROW: u64 = 10;

/// Options of a training run.
pub struct TrainOptions<'a> {
    /// Recipe of the run.
    pub recipe: &'a Recipe,
    /// Text of the recipe as the user wrote it.
    pub recipe_text: &'a str,
    /// Device of the model.
    pub device: Device,
    /// Name of the device in `environment.json`.
    pub device_name: &'a str,
    /// Whether to continue from the newest complete checkpoint.
    pub resume: bool,
    /// Outcome file of another run's base; answers of the same base are reused.
    pub base_answers: Option<&'a Path>,
}

/// Result of a run.
#[derive(Debug)]
pub struct Finished {
    /// Folder of the run.
    pub folder: PathBuf,
    /// Completed optimiser steps.
    pub global_step: u64,
    /// Whether the run was interrupted; it can then be resumed.
    pub interrupted: bool,
    /// Path of the report; None if there is none.
    pub report: Option<PathBuf>,
    /// Benchmark summaries of the evaluated epochs, in order.
    pub epochs: Vec<(u32, Summary)>,
    /// Epoch that is linked as `best`; None if no epoch was evaluated or none fulfils the guard.
    pub best: Option<Best>,
    /// Whether early stopping ended the run.
    pub stopped_early: bool,
}

/// Trains a model by a recipe: preflight, dry run, benchmark of the base, all steps, and the benchmarks of the epochs.
///
/// # Errors
/// When anything cannot be read, computed or written. Saved checkpoints stay.
pub fn train(
    options: &TrainOptions<'_>,
    progress: &mut dyn Progress,
    interrupt: &Interrupt,
) -> Result<Finished, TrainError> {
    let recipe = options.recipe;
    let cases = Cases::open(&recipe.data)?;
    let run_plan = RunPlan::new(recipe, &cases.train)?;
    let mut learner = Learner::new(recipe, &options.device, progress)?;
    let preflight = Preflight::new(recipe, &cases, &run_plan, &mut learner, progress)?;
    let planned = run_plan.clone();
    let folder = RunFolder::open(&recipe.output_dir, options.resume)?;
    let mut run = Run::open(options, cases, run_plan, learner, folder, progress)?;
    if run.done > 0 {
        // The process may have been killed after it wrote a checkpoint and before it updated the links.
        run.settle()?;
    }
    if run.done < run.run_plan.total {
        progress.prepared(&preflight);
        run.dry_run(planned, &preflight.freeze_groups, progress)?;
    }
    match run.carry_out(progress, interrupt) {
        Ok(interrupted) => Ok(run.finished(interrupted)),
        Err(error) => Err(run.stopped(error, progress)),
    }
}

/// State of a run.
struct Run<'a> {
    recipe: &'a Recipe,
    cases: Arc<Cases>,
    run_plan: RunPlan,
    learner: Learner,
    folder: RunFolder,
    log: RunLog,
    pace: Pace,
    benchmark: EpochEvaluator,
    prompt_digest: String,
    frozen: FrozenDigests,
    done: u64,
    /// Optimiser steps of the newest checkpoint; 0 without one.
    saved: u64,
    skipped: Skipped,
    /// Number of steps of the phases that ended by their promotion rule, by phase index.
    promoted: BTreeMap<usize, u64>,
    history: Vec<StepLoss>,
    selection: Selection,
    stopped_early: bool,
    /// Whether the last step ended an epoch whose benchmark is not complete.
    untested: bool,
    since_line: Tally,
    since_epoch: Tally,
    stopwatch: Stopwatch,
}

/// Times since the last line of the log.
struct Stopwatch {
    started: Instant,
    /// Seconds spent waiting for data.
    waited: f64,
    steps: u64,
}

impl Stopwatch {
    fn start() -> Self {
        Self { started: Instant::now(), waited: 0.0, steps: 0 }
    }
}

/// Digest of everything that turns a case into tokens and pixels: prompt version, tokenizer, template, pixel pipeline.
#[must_use]
pub fn prompt_digest(pipeline: &VlmPipeline) -> String {
    format!("{PROMPT_VERSION}:{}", pipeline.processor.digest())
}

impl<'a> Run<'a> {
    fn open(
        options: &TrainOptions<'a>,
        cases: Cases,
        mut run_plan: RunPlan,
        mut learner: Learner,
        folder: RunFolder,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let recipe = options.recipe;
        let prompt_digest = prompt_digest(&learner.pipeline);
        let mut state = None;
        if options.resume {
            let (newest, skipped) = checkpoint::newest_complete(folder.root())?;
            skipped.iter().for_each(|message| progress.warning(message));
            if let Some(step) = newest {
                let path = folder.root().join(checkpoint::name(step));
                let found = TrainerState::read(&path)?;
                let incompatible = |error| TrainError::Incompatible { path: path.display().to_string(), error };
                found.continues(&recipe.digest(), &prompt_digest).map_err(incompatible)?;
                learner.restore(&path, found.steps())?;
                found.promoted.iter().for_each(|(phase, steps)| run_plan.cut(*phase, *steps));
                if found.stopped_early {
                    run_plan.end_after(found.global_step);
                }
                progress.note(&format!("resumed after step {step} of {}", run_plan.total));
                state = Some(found);
            } else {
                progress.note("nothing to resume from: starting at step 1");
            }
        }
        let done = state.as_ref().map_or(0, |state| state.global_step);
        let untested = state.as_ref().is_some_and(|state| state.untested);
        let through = done.checked_sub(1).map_or(0, |last| {
            let place = run_plan.at(last);
            place.epochs_before + u32::from(place.ends_epoch && !untested)
        });
        let (device, base_answers) = (options.device_name, options.base_answers);
        let benchmark = EpochEvaluator::open(recipe, folder.root(), &prompt_digest, device, through, base_answers)?;
        // Files of the run are changed only after all inputs have been checked.
        folder.write_recipe(options.recipe_text, recipe)?;
        let resumed = options.resume.then_some(Resumed { step: done, untested });
        let tensorboard = !recipe.train.report_to.is_empty();
        let file = |path: &Path| {
            let path = path.display().to_string();
            move |error| TrainError::File { path, error }
        };
        let log = RunLog::open(folder.root(), tensorboard, resumed).map_err(file(&folder.log()))?;
        let seeds = [("seed".to_owned(), recipe.seed)].into_iter().collect();
        let digests = [("prompt".to_owned(), prompt_digest.clone()), ("recipe".to_owned(), recipe.digest())];
        Environment::here("burn 0.22.1", options.device_name, seeds, digests.into_iter().collect())
            .write(&folder.environment())
            .map_err(file(&folder.environment()))?;
        let frozen = FrozenDigests::of(&mut learner.pipeline.model);
        Ok(Self {
            recipe,
            frozen,
            cases: Arc::new(cases),
            run_plan,
            learner,
            folder,
            log,
            pace: Pace::start(done),
            benchmark,
            prompt_digest,
            done,
            saved: done,
            skipped: state.as_ref().map(|state| state.skipped).unwrap_or_default(),
            promoted: state.as_ref().map(|state| state.promoted.clone()).unwrap_or_default(),
            history: state.as_ref().map_or_else(Vec::new, |state| state.loss_history.clone()),
            since_line: state.as_ref().map(|state| state.since_line.clone()).unwrap_or_default(),
            since_epoch: state.as_ref().map(|state| state.since_epoch.clone()).unwrap_or_default(),
            stopped_early: state.as_ref().is_some_and(|state| state.stopped_early),
            untested,
            selection: state.map(|state| state.selection).unwrap_or_default(),
            stopwatch: Stopwatch::start(),
        })
    }

    /// Evaluates the base and takes all remaining steps. Returns whether the run was interrupted.
    fn carry_out(&mut self, progress: &mut dyn Progress, interrupt: &Interrupt) -> Result<bool, TrainError> {
        let tested = self.test_base(progress, interrupt)?;
        if !tested {
            return Ok(true);
        }
        self.end_what_was_interrupted(progress, interrupt)?;
        if interrupt.requested() {
            return Ok(true);
        }
        let save_steps = self.recipe.train.save_steps;
        let mut batches = None;
        self.stopwatch = Stopwatch::start();
        while self.done < self.run_plan.total {
            // Data of a phase is made only when the phase begins, because it may contain answers of the current model.
            let mut ready = match batches.take() {
                Some(ready) => ready,
                None => match self.begin_phase(progress, interrupt)? {
                    Some(ready) => ready,
                    None => return Ok(true),
                },
            };
            self.step(&mut ready, progress)?;
            let place = self.run_plan.at(self.done - 1);
            if place.ends_epoch {
                self.end_epoch(place, progress, interrupt)?;
            } else if interrupt.requested() || (save_steps > 0 && self.done.is_multiple_of(save_steps)) {
                self.save(progress)?;
            }
            if interrupt.requested() {
                return Ok(true);
            }
            let goes_on = self.done < self.run_plan.total && self.run_plan.at(self.done).phase == place.phase;
            batches = Some(ready).filter(|_| goes_on);
        }
        Ok(false)
    }

    /// Dry run of the largest micro-batch of each freeze group. It uses the run plan without early advances, as
    /// the preflight did.
    fn dry_run(
        &mut self,
        planned: RunPlan,
        freeze_groups: &[FreezeGroup],
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        let source = BatchSource { run_plan: planned, ..self.source(None) };
        for FreezeGroup { freeze, largest, .. } in
            freeze_groups.iter().filter(|freeze_group| freeze_group.largest.examples > 0)
        {
            let LargestBatch { step, micro_batch, rows, examples, cases, .. } = *largest;
            let Some(largest) = source.one(step, micro_batch)? else { continue };
            let frozen = match freeze.names() {
                names if names.is_empty() => names,
                names => format!(", with {names} frozen"),
            };
            progress.note(&format!(
                "dry run of the largest micro-batch: {examples} examples of {cases} cases, {rows} rows, step {}{frozen}",
                step + 1
            ));
            self.learner.freeze(*freeze);
            let checkpointing = self.recipe.train.gradient_checkpointing;
            dry_run(&mut self.learner.pipeline, &largest, self.recipe.seed, checkpointing)?;
        }
        self.learner.freeze(Freeze::default());
        Ok(())
    }

    /// Applies the freezing of the phase at `place`. Evaluation must run under the same freezing, because it changes
    /// rounding. This must therefore also be called before a run resumes within a phase or in the benchmark at its end.
    fn enter(&mut self, place: StepPosition, progress: &mut dyn Progress) {
        let phase = &self.recipe.curriculum.phase[place.phase];
        if self.learner.freeze(phase.freeze) {
            self.frozen.rest(&mut self.learner.pipeline.model);
            let frozen = phase.freeze.names();
            let frozen = if frozen.is_empty() { "nothing".to_owned() } else { frozen };
            progress.note(&format!("{}: frozen in this phase: {frozen}", phase.name));
        }
    }

    fn source(&self, predicted: Option<Arc<Predicted>>) -> BatchSource {
        BatchSource {
            recipe: self.recipe.clone(),
            cases: Arc::clone(&self.cases),
            run_plan: self.run_plan.clone(),
            processor: self.learner.pipeline.processor.clone(),
            predicted,
        }
    }

    /// Begins or continues the phase of the next step and starts the prefetch of its data. None after an interrupt.
    fn begin_phase(
        &mut self,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<Option<Prefetcher>, TrainError> {
        let place = self.run_plan.at(self.done);
        self.enter(place, progress);
        let first = self.done - place.phase_step;
        let digest = format!("{}:{}", self.recipe.digest(), self.prompt_digest);
        let mut eval_context =
            EvalContext { pipeline: &self.learner.pipeline, cases: &self.cases, progress, interrupt };
        let predicted =
            match Predicted::at((self.recipe, &digest), self.folder.root(), (place, first), &mut eval_context) {
                Err(error) if error.is_interrupt() => return Ok(None),
                predicted => predicted?.map(Arc::new),
            };
        self.stopwatch.started = Instant::now();
        Ok(Some(Prefetcher::start(self.source(predicted), self.done, self.run_plan.phase_end(self.done))))
    }

    fn step(&mut self, batches: &mut Prefetcher, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let recipe = self.recipe;
        let (place, phase_end) = (self.run_plan.at(self.done), self.run_plan.phase_end(self.done));
        let asked = Instant::now();
        let pending = batches.take()?;
        self.stopwatch.waited += asked.elapsed().as_secs_f64();
        let (share, cutoff_len) = (recipe.train.share_prefix, recipe.cutoff_len);
        let made = pending.into_iter().map(|made| made.finish(&self.learner.pipeline, share, cutoff_len));
        let micro_batches = made.collect::<Result<Vec<_>, _>>()?;
        let phase = &recipe.curriculum.phase[place.phase];
        let rates = Rates::at(recipe, place, (self.done, self.run_plan.planned));
        let options = StepOptions {
            rates,
            max_grad_norm: recipe.train.max_grad_norm,
            dropout_key: recipe.seed.wrapping_add(self.done << 16),
            gradient_checkpointing: recipe.train.gradient_checkpointing,
        };
        let Learner { pipeline, optimizer, .. } = &mut self.learner;
        let stepped = step(pipeline, optimizer, &micro_batches, options);
        let stepped = match stepped {
            Ok(stepped) => stepped,
            Err(error) => return self.skip(error, progress),
        };
        self.skipped.in_a_row = 0;
        self.done += 1;
        self.stopwatch.steps += 1;
        self.since_line.merge(&stepped.tally);
        self.since_epoch.merge(&stepped.tally);
        progress.advance("train", self.done, self.run_plan.total);
        // A log line covers steps of one phase only.
        if self.done.is_multiple_of(recipe.train.logging_steps) || self.done == phase_end {
            self.log_step(stepped.grad_norm, rates.named(recipe, phase), &phase.name, progress);
        }
        Ok(())
    }

    /// Skips a failed step, or ends the run if the recipe or the number of failures requires it. The
    /// parameters are unchanged.
    fn skip(&mut self, error: StepError, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let step = self.done + 1;
        if self.recipe.train.on_nonfinite == OnNonfinite::Stop {
            return Err(TrainError::Step { step, error });
        }
        if self.skipped.in_a_row + 1 >= SKIPPED_IN_A_ROW {
            return Err(TrainError::Lost { step, count: SKIPPED_IN_A_ROW, error });
        }
        self.skipped.steps += 1;
        self.skipped.in_a_row += 1;
        self.done = step;
        self.stopwatch.steps += 1;
        let why = error.cause();
        self.log.skipped(step, &why).iter().for_each(|warning| progress.warning(warning));
        progress.warning(&format!("step {step}: {why} -> the step is skipped"));
        progress.advance("train", self.done, self.run_plan.total);
        Ok(())
    }

    fn log_step(&mut self, grad_norm: f64, lr: f64, phase: &str, progress: &mut dyn Progress) {
        let (elapsed_time, remaining_time) = self.pace.times(self.done, self.run_plan.total);
        let Stopwatch { started, waited, steps } = std::mem::replace(&mut self.stopwatch, Stopwatch::start());
        let seconds = started.elapsed().as_secs_f64();
        let tally = std::mem::take(&mut self.since_line);
        let line = StepLine {
            current_steps: self.done,
            total_steps: self.run_plan.total,
            loss: tally.loss(),
            lr,
            epoch: self.run_plan.epoch_at(self.done),
            percentage: 100.0 * self.done as f64 / self.run_plan.total as f64,
            elapsed_time,
            remaining_time,
            phase: phase.to_owned(),
            stage_loss: tally.stage_loss(),
            supervised_tokens: tally.tokens(),
            grad_norm,
            wait_for_data: waited / seconds,
            seconds_per_step: seconds / steps as f64,
            peak_memory_mib: peak_memory_mib(),
        };
        self.log.step(&line).iter().for_each(|warning| progress.warning(warning));
        progress.step(&line);
        self.history.push(StepLoss { step: self.done, loss: line.loss });
        let surplus = self.history.len().saturating_sub(LOSS_HISTORY);
        self.history.drain(..surplus);
    }

    /// Evaluates the untouched base. Returns false after an interrupt; the answers are kept.
    fn test_base(&mut self, progress: &mut dyn Progress, interrupt: &Interrupt) -> Result<bool, TrainError> {
        let mut eval_context =
            EvalContext { pipeline: &self.learner.pipeline, cases: &self.cases, progress, interrupt };
        match self.benchmark.base(&mut eval_context) {
            Err(error) if error.is_interrupt() => Ok(false),
            tested => Ok(tested.map(|()| true)?),
        }
    }

    /// Completes the benchmark of the last epoch if it was interrupted, before the next epoch begins.
    fn end_what_was_interrupted(
        &mut self,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<(), TrainError> {
        let Some(step) = self.done.checked_sub(1) else { return Ok(()) };
        let place = self.run_plan.at(step);
        if self.untested {
            self.enter(place, progress);
            self.end_epoch(place, progress, interrupt)?;
        }
        Ok(())
    }

    /// Description of the epoch that ends with the last step.
    fn epoch_end(&self, place: StepPosition) -> EpochEnd<'a> {
        EpochEnd {
            epoch: place.epochs_before + 1,
            step: self.done,
            phase: &self.recipe.curriculum.phase[place.phase],
            first_epoch: place.epochs_before + 1 - place.epoch,
            ends_phase: place.phase_step + 1 == place.phase_total || self.done == self.run_plan.total,
        }
    }

    /// Runs the benchmark of an epoch if it is due, and saves a checkpoint. After an interrupt the checkpoint is saved
    /// too, and the benchmark is completed when the run is resumed.
    fn end_epoch(
        &mut self,
        place: StepPosition,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<(), TrainError> {
        let end = self.epoch_end(place);
        let mut tested = EvaluatedEpoch::default();
        if self.benchmark.is_due(end) {
            // Works on a copy: an incomplete benchmark must not change the selection.
            let mut selection = self.selection.clone();
            let other = if self.benchmark.needs_surrogate() { self.learner.other_base()? } else { None };
            let base = Some(other.as_ref().unwrap_or(&self.learner.pipeline));
            let mut eval_context =
                EvalContext { pipeline: &self.learner.pipeline, cases: &self.cases, progress, interrupt };
            match self.benchmark.epoch(end, base, &mut selection, &mut eval_context) {
                Err(error) if error.is_interrupt() => {
                    self.untested = true;
                    return self.save(progress);
                }
                Err(error) => {
                    self.untested = true;
                    return Err(error.into());
                }
                Ok(made) => (tested, self.selection) = (made, selection),
            }
        }
        self.untested = false;
        let EvaluatedEpoch { metrics, promoted, weighed } = tested;
        let stopped = weighed.as_ref().is_some_and(|weighed| weighed.stop) && self.done < self.run_plan.total;
        if stopped {
            self.run_plan.end_after(self.done);
            self.stopped_early = true;
        } else if promoted {
            let steps = place.phase_step + 1;
            self.run_plan.cut(place.phase, steps);
            self.promoted.insert(place.phase, steps);
            progress.note(&format!("{}: the promotion rule ended the phase after {steps} steps", end.phase.name));
        }
        let ends_phase = end.ends_phase || promoted || stopped;
        let warnings = self.log.metrics(&MetricsLine {
            current_steps: self.done,
            epoch: f64::from(end.epoch),
            phase: &end.phase.name,
            metrics: &metrics,
            best: self.selection.best.as_ref(),
            forgetting: self.benchmark.forgetting().filter(|_| ends_phase),
        });
        warnings.iter().for_each(|warning| progress.warning(warning));
        let loss = std::mem::take(&mut self.since_epoch).loss();
        self.save(progress)?;
        progress.epoch(&EpochLine {
            phase: end.phase.name.clone(),
            epoch: end.epoch,
            epochs: self.run_plan.epochs,
            global_step: self.done,
            loss,
            metrics,
        });
        if let Some(weighed) = &weighed {
            progress.note(&weighed.verdict);
        }
        if stopped {
            progress.note(&format!("stopped early after step {}: the last evaluated epochs were no better", self.done));
        }
        self.stopwatch = Stopwatch::start();
        Ok(())
    }

    fn finished(self, interrupted: bool) -> Finished {
        Finished {
            folder: self.folder.root().to_path_buf(),
            global_step: self.done,
            interrupted,
            report: Some(self.folder.report()).filter(|report| report.is_file()),
            best: self.selection.best,
            stopped_early: self.stopped_early,
            epochs: self.benchmark.into_epochs(),
        }
    }
}
