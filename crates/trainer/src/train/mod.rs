//! Training loop: phases, epochs and steps, with a benchmark of the base at the start and of the model
//! after its epochs.

mod begun;
mod epoch_end;
mod error;
mod prepare;
mod remaining;
mod resume;
mod save;
mod stopwatch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use stepwise_benchmark::run_report::Renderer;
use stepwise_benchmark::summary::Summary;
use stepwise_curriculum::run_plan::{RunPlan, StepPosition};
use stepwise_recipe::{OnNonfinite, Recipe};

pub use error::TrainError;
pub use prepare::PreparedRun;
pub use resume::prompt_digest;

use crate::batches::examples::MicroBatch;
use crate::batches::prefetch::{BatchSource, Prefetcher};
use crate::cases::{Cases, LeakRule};
use crate::checkpoint::{Delivered, RunFolder, StepLoss, TrainerState};
use crate::device::{Adapter, DeviceMemory, training_remedy};
use crate::environment::peak_memory_mib;
use crate::evaluation::epochs::{EpochEvaluator, EvalContext};
use crate::evaluation::predicted::PredictedAnswers;
use crate::frozen::FrozenDigests;
use crate::interrupt::Interrupt;
use crate::learner::Learner;
use crate::log::{Pace, RunLog, StepLine};
use crate::objective::{ReferenceScores, schedule_progress};
use crate::optim::part_rates::Rates;
use crate::optim::step::{StepError, StepOptions, step};
use crate::progress::Progress;
use crate::selection::Best;
use crate::standings::Standings;
use remaining::benchmarks_left;
use stopwatch::Stopwatch;

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
    /// Adapter behind the device; None for the CPU.
    pub adapter: Option<&'a Adapter>,
    /// Whether to continue from the newest complete checkpoint in the recipe's `output_dir`.
    pub resume: bool,
    /// Outcome file of another run's base; answers of the same base are reused. None reuses none.
    pub base_answers: Option<&'a Path>,
    /// Renderer of the run's report.
    pub render: Renderer,
    /// What happens where a patient or an image is on two sides of the split.
    pub leaks: LeakRule,
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
    /// Path of the report; None if no epoch was evaluated.
    pub report: Option<PathBuf>,
    /// Number and benchmark summary of the evaluated epochs, in order.
    pub epochs: Vec<(u32, Summary)>,
    /// Epoch that is linked as `best`; None if no epoch was evaluated or none fulfils the guard.
    pub best: Option<Best>,
    /// Checkpoint that `eval`, `export` and `ask` take; None before the first checkpoint.
    pub delivered: Option<Delivered>,
    /// All evaluated epochs next to the base and the guard; None without a suite.
    pub standings: Option<Standings>,
    /// Whether early stopping ended the run.
    pub stopped_early: bool,
}

/// A run in progress. Everything that a resumed run needs is in `state`.
struct Run<'a> {
    recipe: &'a Recipe,
    cases: Arc<Cases>,
    run_plan: RunPlan,
    learner: Learner,
    folder: RunFolder,
    log: RunLog,
    pace: Pace,
    evaluator: EpochEvaluator,
    frozen: FrozenDigests,
    references: ReferenceScores,
    state: TrainerState,
    /// Optimiser steps of the newest checkpoint; 0 without one.
    saved: u64,
    stopwatch: Stopwatch,
}

impl Run<'_> {
    /// Evaluates the base and takes all remaining steps. Returns whether the run was interrupted.
    fn train(&mut self, progress: &mut dyn Progress, interrupt: &Interrupt) -> Result<bool, TrainError> {
        if !self.evaluate_base(progress, interrupt)? {
            return Ok(true);
        }
        self.complete_interrupted_epoch(progress, interrupt)?;
        self.stopwatch = Stopwatch::start();
        for phase in 0..self.run_plan.phases() {
            if !self.is_in(phase) {
                continue;
            }
            if interrupt.requested() {
                return Ok(true);
            }
            // Data of a phase is made only when the phase begins, because it may contain answers of the current model.
            let Some(mut batches) = self.begin_phase(progress, interrupt)? else { return Ok(true) };
            while self.is_in(phase) {
                self.step(&mut batches, progress)?;
                self.after_step(progress, interrupt)?;
                if interrupt.requested() {
                    return Ok(true);
                }
            }
        }
        Ok(interrupt.requested())
    }

    fn has_steps_left(&self) -> bool {
        self.state.global_step < self.run_plan.total
    }

    /// Whether the next step belongs to the phase with this index. The end of an epoch may shorten a phase.
    fn is_in(&self, phase: usize) -> bool {
        self.has_steps_left() && self.run_plan.at(self.state.global_step).phase == phase
    }

    /// Ends the epoch after its last step, and saves where `save_steps` or an interrupt asks for it.
    fn after_step(&mut self, progress: &mut dyn Progress, interrupt: &Interrupt) -> Result<(), TrainError> {
        let done = self.state.global_step;
        let position = self.run_plan.at(done - 1);
        let save_steps = self.recipe.train.save_steps;
        if position.ends_epoch {
            self.end_epoch(position, progress, interrupt)
        } else if interrupt.requested() || (save_steps > 0 && done.is_multiple_of(save_steps)) {
            self.save(progress)
        } else {
            Ok(())
        }
    }

    /// Begins or continues the phase of the next step and starts the prefetch of its data. None after an interrupt.
    fn begin_phase(
        &mut self,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<Option<Prefetcher>, TrainError> {
        let done = self.state.global_step;
        let position = self.run_plan.at(done);
        self.apply_freezing(position, progress);
        let first = done - position.phase_step;
        let digest = format!("{}:{}", self.state.recipe_digest, self.state.prompt_digest);
        let pipeline = &self.learner.pipeline;
        let mut context = EvalContext { pipeline, cases: &self.cases, progress, interrupt };
        let place = (position, first);
        let predicted = match PredictedAnswers::at((self.recipe, &digest), self.folder.root(), place, &mut context) {
            Err(error) if error.is_interrupt() => return Ok(None),
            predicted => predicted?.map(Arc::new),
        };
        progress.begin("train", done, self.run_plan.total);
        self.stopwatch.started = Instant::now();
        let source = self.batch_source(self.run_plan.clone(), predicted);
        Ok(Some(Prefetcher::start(source, done, self.run_plan.phase_end(done))))
    }

    /// Applies the freezing of the phase at `position`. Evaluation must run under the same freezing, because it changes
    /// rounding. This must therefore also be called before a run resumes within a phase or in the benchmark at its end.
    fn apply_freezing(&mut self, position: StepPosition, progress: &mut dyn Progress) {
        let phase = &self.recipe.curriculum.phase[position.phase];
        if self.learner.freeze(phase.freeze) {
            self.frozen.rest(&mut self.learner.pipeline.model);
            let frozen = phase.freeze.names();
            let frozen = if frozen.is_empty() { "nothing".to_owned() } else { frozen };
            progress.note(&format!("{}: frozen in this phase: {frozen}", phase.name));
        }
    }

    fn batch_source(&self, run_plan: RunPlan, predicted: Option<Arc<PredictedAnswers>>) -> BatchSource {
        BatchSource {
            recipe: self.recipe.clone(),
            cases: Arc::clone(&self.cases),
            run_plan,
            processor: self.learner.pipeline.processor.clone(),
            predicted,
        }
    }

    /// Takes the next optimiser step. A failed step is skipped or ends the run, as the recipe says.
    fn step(&mut self, batches: &mut Prefetcher, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let (recipe, done) = (self.recipe, self.state.global_step);
        let (position, phase_end) = (self.run_plan.at(done), self.run_plan.phase_end(done));
        let waiting = Instant::now();
        let pending = batches.take()?;
        self.stopwatch.waited += waiting.elapsed().as_secs_f64();
        let (share, cutoff_len) = (recipe.train.share_prefix, recipe.cutoff_len);
        let (pipeline, references) = (&self.learner.pipeline, &mut self.references);
        let made = pending.into_iter().map(|batch| batch.finish(pipeline, references, share, cutoff_len));
        let micro_batches = made.collect::<Result<Vec<_>, _>>()?;
        self.stopwatch.tokens += micro_batches.iter().map(MicroBatch::tokens).sum::<usize>() as u64;
        let of_run = (done, self.run_plan.planned);
        let options = StepOptions {
            rates: Rates::at(recipe, position, of_run),
            max_grad_norm: recipe.train.max_grad_norm,
            dropout_key: recipe.seed.wrapping_add(done << 16),
            gradient_checkpointing: recipe.train.gradient_checkpointing,
            objective_progress: schedule_progress(recipe, position, of_run),
        };
        let Learner { pipeline, optimizer, .. } = &mut self.learner;
        let stepped = match step(pipeline, optimizer, &micro_batches, options) {
            Ok(stepped) => stepped,
            Err(StepError::Device { failure, is_whole }) => {
                let advice = training_remedy(&failure, recipe);
                let place = format!("step {}: ", done + 1);
                return Err(TrainError::Device { place, failure, advice, is_whole });
            }
            Err(error) => return self.skip(error, progress),
        };
        self.state.skipped.in_a_row = 0;
        self.state.since_line.merge(&stepped.tally);
        self.state.since_epoch.merge(&stepped.tally);
        self.advance(progress);
        // A log line covers steps of one phase only.
        if self.state.global_step.is_multiple_of(recipe.train.logging_steps) || self.state.global_step == phase_end {
            self.log_step(stepped.grad_norm, position, options, progress);
        }
        Ok(())
    }

    /// Skips a failed step, or ends the run if the recipe or the number of failures requires it. The
    /// parameters are unchanged.
    fn skip(&mut self, error: StepError, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let step = self.state.global_step + 1;
        if self.recipe.train.on_nonfinite == OnNonfinite::Stop {
            return Err(TrainError::Step { step, error });
        }
        if self.state.skipped.in_a_row + 1 >= SKIPPED_IN_A_ROW {
            return Err(TrainError::Lost { step, count: SKIPPED_IN_A_ROW, error });
        }
        self.state.skipped.steps += 1;
        self.state.skipped.in_a_row += 1;
        let why = error.cause();
        self.log.skipped(step, &why).iter().for_each(|warning| progress.warning(warning));
        progress.warning(&format!("step {step}: {why} -> the step is skipped"));
        self.advance(progress);
        Ok(())
    }

    /// Counts a step, taken or skipped.
    fn advance(&mut self, progress: &mut dyn Progress) {
        self.state.global_step += 1;
        self.stopwatch.steps += 1;
        progress.advance("train", self.state.global_step, self.run_plan.total);
    }

    /// Writes the line of the steps since the line before. `grad_norm`, `position` and `options` are those of the last step.
    fn log_step(&mut self, grad_norm: f64, position: StepPosition, options: StepOptions, progress: &mut dyn Progress) {
        let phase = &self.recipe.curriculum.phase[position.phase];
        let (done, total) = (self.state.global_step, self.run_plan.total);
        let Stopwatch { started, waited, steps, tokens } = std::mem::replace(&mut self.stopwatch, Stopwatch::start());
        let time = started.elapsed();
        let seconds = time.as_secs_f64();
        self.pace.steps.add(time, steps);
        let (asked, questions) = (self.evaluator.asked(), self.evaluator.questions());
        let questions_left = questions * benchmarks_left(&self.run_plan, self.recipe.benchmark.every, done);
        let (elapsed_time, remaining_time) = self.pace.times(total.saturating_sub(done), asked, questions_left);
        let tally = std::mem::take(&mut self.state.since_line);
        let line = StepLine {
            current_steps: done,
            total_steps: total,
            loss: tally.loss(),
            lr: options.rates.named(self.recipe, phase),
            epoch: self.run_plan.epoch_at(done),
            percentage: 100.0 * done as f64 / total as f64,
            elapsed_time,
            remaining_time,
            phase: phase.name.clone(),
            stage_loss: tally.stage_loss(),
            objective_loss: tally.objective_loss(),
            objective_weight: self.objective_weights(position, options.objective_progress),
            supervised_tokens: tally.tokens(),
            grad_norm,
            wait_for_data: waited / seconds,
            seconds_per_step: seconds / steps as f64,
            tokens_per_second: tokens as f64 / seconds,
            peak_memory_mib: peak_memory_mib(),
            device_memory_mib: DeviceMemory::of(self.learner.pipeline.model.device()),
        };
        self.log.step(&line).iter().for_each(|warning| progress.warning(warning));
        progress.step(&line);
        let history = &mut self.state.loss_history;
        history.push(StepLoss { step: done, loss: line.loss });
        let surplus = history.len().saturating_sub(LOSS_HISTORY);
        history.drain(..surplus);
    }

    /// Weights of all losses at a step, by name; empty if the objective is cross-entropy alone.
    fn objective_weights(&self, position: StepPosition, schedule: f64) -> BTreeMap<String, f64> {
        let objectives = self.recipe.objective_of(position.phase);
        let weights = if objectives.is_plain() { Vec::new() } else { objectives.weights() };
        weights.into_iter().map(|(name, weight)| (name.to_owned(), weight.at(schedule))).collect()
    }

    fn finished(self, interrupted: bool) -> Finished {
        let delivered = Delivered::of_run(self.folder.root());
        let epoch = delivered.as_ref().and_then(|delivered| delivered.epoch(self.folder.root()));
        Finished {
            folder: self.folder.root().to_path_buf(),
            standings: self.evaluator.standings(epoch),
            delivered,
            global_step: self.state.global_step,
            interrupted,
            report: Some(self.folder.report()).filter(|report| report.is_file()),
            best: self.state.selection.best,
            stopped_early: self.state.stopped_early,
            epochs: self.evaluator.into_epochs(),
        }
    }
}
