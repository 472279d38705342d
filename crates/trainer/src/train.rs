//! The loop: phases, epochs, steps; a benchmark of the base first and of the learner after every epoch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use stepwise_benchmark::summary::Summary;
use stepwise_curriculum::phase::PlanError;
use stepwise_curriculum::prompt::PROMPT_VERSION;
use stepwise_vlm::reader::Reader;

use crate::cases::{Cases, CasesError};
use crate::checkpoint::{
    self, BEST, Best, CheckpointError, Incompatible, LAST, RANDOM_SCHEME, RunFolder, StepLoss, TrainerState,
};
use crate::course::{Course, Place};
use crate::environment::{Environment, peak_memory_mib};
use crate::epoch_benchmark::{BenchmarkError, EpochBenchmark, EpochEnd, Exam, Tested};
use crate::frozen::{Frozen, Moved};
use crate::interrupt::Interrupt;
use crate::learner::{Learner, LearnerError};
use crate::lessons::LessonError;
use crate::log::{Pace, RunLog, StepLine, Tally};
use crate::predicted::Predicted;
use crate::preparation::Preparation;
use crate::progress::{EpochLine, Progress};
use crate::rates::Rates;
use crate::read_ahead::{ReadAhead, Source};
use crate::recipe::Recipe;
use crate::rehearsal::{Unreached, rehearse};
use crate::step::{StepError, StepOptions, step};
use crate::survey::Largest;

/// How many logged losses a checkpoint remembers.
const LOSS_HISTORY: usize = 100;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The cases.
    #[error(transparent)]
    Cases(#[from] CasesError),
    /// The model.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// A question.
    #[error(transparent)]
    Lesson(#[from] LessonError),
    /// A step; what was learned before is in the newest checkpoint.
    #[error("step {step}: {error}")]
    Step {
        /// Which, counted from 1.
        step: u64,
        /// Why.
        error: StepError,
    },
    /// The run's folder.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The benchmark.
    #[error(transparent)]
    Benchmark(#[from] BenchmarkError),
    /// A file of the run.
    #[error("{path}: {error} -> check that the folder is writable and the disk has room")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The newest checkpoint belongs to another run.
    #[error("{path}: {error}")]
    Incompatible {
        /// The checkpoint.
        path: String,
        /// How it differs.
        error: Incompatible,
    },
    /// Something that is to learn cannot.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// Something that is not to learn did.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// A phase finds nothing to learn.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// What a run is started with.
pub struct TrainOptions<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its text, as written.
    pub recipe_text: &'a str,
    /// Where the model lives.
    pub device: Device,
    /// What to call that in `environment.json`.
    pub device_name: &'a str,
    /// Whether to go on from the newest complete checkpoint.
    pub resume: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// The run's folder.
    pub folder: PathBuf,
    /// Optimiser steps done.
    pub global_step: u64,
    /// Whether it was interrupted; then it can be resumed.
    pub interrupted: bool,
    /// The report, if the benchmark ran.
    pub report: Option<PathBuf>,
    /// What the benchmark of every epoch came to, in order.
    pub epochs: Vec<(u32, Summary)>,
}

/// Trains as the recipe says.
///
/// # Errors
/// When anything cannot be read, computed or written. What was saved stays.
pub fn train(
    options: &TrainOptions<'_>,
    progress: &mut dyn Progress,
    interrupt: &Interrupt,
) -> Result<Finished, TrainError> {
    let recipe = options.recipe;
    let cases = Cases::open(&recipe.data)?;
    let course = Course::new(recipe, &cases.train)?;
    let mut learner = Learner::new(recipe, &options.device)?;
    let preparation = Preparation::new(recipe, &cases, &course, &mut learner, progress)?;
    let planned = course.clone();
    let folder = RunFolder::open(&recipe.output_dir, options.resume)?;
    let mut run = Run::open(options, cases, course, learner, folder, progress)?;
    if run.done < run.course.total {
        progress.prepared(&preparation);
        run.rehearse(planned, preparation.survey.largest, progress)?;
    }
    let tested = run.test_base(progress, interrupt)?;
    if !tested {
        return Ok(run.finished(true));
    }
    run.end_what_was_interrupted(progress, interrupt)?;
    if interrupt.requested() {
        return Ok(run.finished(true));
    }
    let mut batches = None;
    run.stopwatch = Stopwatch::start();
    while run.done < run.course.total {
        // Nothing of a phase is made before it begins: what it tells may be what the model answers then.
        let mut ready = match batches.take() {
            Some(ready) => ready,
            None => match run.begin_phase(progress, interrupt)? {
                Some(ready) => ready,
                None => return Ok(run.finished(true)),
            },
        };
        run.step(&mut ready, progress)?;
        let place = run.course.at(run.done - 1);
        if place.ends_epoch {
            run.end_epoch(place, progress, interrupt)?;
        } else if interrupt.requested()
            || (recipe.train.save_steps > 0 && run.done.is_multiple_of(recipe.train.save_steps))
        {
            run.save(progress)?;
        }
        if interrupt.requested() {
            return Ok(run.finished(true));
        }
        let goes_on = run.done < run.course.total && run.course.at(run.done).phase == place.phase;
        batches = Some(ready).filter(|_| goes_on);
    }
    Ok(run.finished(false))
}

/// A run under way.
struct Run<'a> {
    recipe: &'a Recipe,
    cases: Arc<Cases>,
    course: Course,
    learner: Learner,
    folder: RunFolder,
    log: RunLog,
    pace: Pace,
    benchmark: EpochBenchmark,
    prompt_digest: String,
    frozen: Frozen,
    done: u64,
    /// Steps of the phases that their promotion rule has ended.
    promoted: BTreeMap<usize, u64>,
    history: Vec<StepLoss>,
    best: Option<Best>,
    since_line: Tally,
    since_epoch: Tally,
    stopwatch: Stopwatch,
}

/// Where the time went since the last line of the log.
struct Stopwatch {
    started: Instant,
    /// Seconds that steps waited for data.
    waited: f64,
    steps: u64,
}

impl Stopwatch {
    fn start() -> Self {
        Self { started: Instant::now(), waited: 0.0, steps: 0 }
    }
}

/// The digest of everything that turns a case into tokens and pixels.
#[must_use]
pub fn prompt_digest(reader: &Reader) -> String {
    format!("{PROMPT_VERSION}:{}", reader.processor.digest())
}

impl<'a> Run<'a> {
    fn open(
        options: &TrainOptions<'a>,
        cases: Cases,
        mut course: Course,
        mut learner: Learner,
        folder: RunFolder,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let recipe = options.recipe;
        let prompt_digest = prompt_digest(&learner.reader);
        let mut state = None;
        if options.resume {
            let (newest, skipped) = checkpoint::newest_complete(folder.root())?;
            skipped.iter().for_each(|message| progress.warning(message));
            if let Some(step) = newest {
                let path = folder.root().join(checkpoint::name(step));
                let found = TrainerState::read(&path)?;
                let incompatible = |error| TrainError::Incompatible { path: path.display().to_string(), error };
                found.continues(&recipe.digest(), &prompt_digest).map_err(incompatible)?;
                learner.restore(&path, found.global_step)?;
                found.promoted.iter().for_each(|(phase, steps)| course.cut(*phase, *steps));
                progress.note(&format!("resumed after step {step} of {}", course.total));
                state = Some(found);
            } else {
                progress.note("nothing to resume from: starting at step 1");
            }
        }
        let digest = format!("{}:{prompt_digest}", recipe.digest());
        let benchmark = EpochBenchmark::open(recipe, folder.root(), digest, options.device_name)?;
        // Nothing of the run is touched before all that it is given has been found fit for it.
        folder.write_recipe(options.recipe_text, recipe)?;
        let done = state.as_ref().map_or(0, |state| state.global_step);
        let resumed = options.resume.then_some(done);
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
        let frozen = Frozen::of(&mut learner.reader.model);
        Ok(Self {
            recipe,
            frozen,
            cases: Arc::new(cases),
            course,
            learner,
            folder,
            log,
            pace: Pace::start(done),
            benchmark,
            prompt_digest,
            done,
            promoted: state.as_ref().map(|state| state.promoted.clone()).unwrap_or_default(),
            history: state.as_ref().map_or_else(Vec::new, |state| state.loss_history.clone()),
            since_line: state.as_ref().map(|state| state.since_line.clone()).unwrap_or_default(),
            since_epoch: state.as_ref().map(|state| state.since_epoch.clone()).unwrap_or_default(),
            best: state.and_then(|state| state.best),
            stopwatch: Stopwatch::start(),
        })
    }

    /// The largest micro-batch goes first: of the course as it was planned, whatever promotion has cut from it since.
    fn rehearse(&mut self, planned: Course, largest: Largest, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let Largest { step, micro_batch, rows, lessons, cases, .. } = largest;
        let source = Source { course: planned, ..self.source(None) };
        let Some(largest) = source.one(step, micro_batch)? else { return Ok(()) };
        progress.note(&format!(
            "trying the largest micro-batch: {lessons} lessons of {cases} cases, {rows} rows, of step {}",
            step + 1
        ));
        rehearse(&mut self.learner.reader, &largest, self.recipe.seed)?;
        Ok(())
    }

    fn source(&self, predicted: Option<Arc<Predicted>>) -> Source {
        Source {
            recipe: self.recipe.clone(),
            cases: Arc::clone(&self.cases),
            course: self.course.clone(),
            processor: self.learner.reader.processor.clone(),
            predicted,
        }
    }

    /// Begins the phase of the next step, or goes on with it, and makes its lessons; none where that was interrupted.
    fn begin_phase(
        &mut self,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<Option<ReadAhead>, TrainError> {
        let place = self.course.at(self.done);
        let first = self.done - place.phase_step;
        let digest = format!("{}:{}", self.recipe.digest(), self.prompt_digest);
        let mut exam = Exam { reader: &self.learner.reader, cases: &self.cases, progress, interrupt };
        let predicted = match Predicted::at((self.recipe, &digest), self.folder.root(), (place, first), &mut exam) {
            Err(error) if error.is_interrupt() => return Ok(None),
            predicted => predicted?.map(Arc::new),
        };
        self.stopwatch.started = Instant::now();
        Ok(Some(ReadAhead::start(self.source(predicted), self.done, self.course.phase_end(self.done))))
    }

    fn step(&mut self, batches: &mut ReadAhead, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let recipe = self.recipe;
        let place = self.course.at(self.done);
        let asked = Instant::now();
        let material = batches.take()?;
        self.stopwatch.waited += asked.elapsed().as_secs_f64();
        let (share, cutoff_len) = (recipe.train.share_prefix, recipe.cutoff_len);
        let made = material.into_iter().map(|made| made.finish(&self.learner.reader, share, cutoff_len));
        let micro_batches = made.collect::<Result<Vec<_>, _>>()?;
        let phase = &recipe.curriculum.phase[place.phase];
        let of_phase = (place.phase_step, place.phase_total);
        let (at, of) = if recipe.curriculum.rewarm { of_phase } else { (self.done, self.course.total) };
        let factor = recipe.train.lr_scheduler_type.factor(at, recipe.train.warmup.steps(of), of);
        let rates = Rates::peak(recipe, phase).times(factor);
        let options = StepOptions {
            rates,
            max_grad_norm: recipe.train.max_grad_norm,
            dropout_key: recipe.seed.wrapping_add(self.done << 16),
        };
        let Learner { reader, optimizer, .. } = &mut self.learner;
        let stepped = step(reader, optimizer, &micro_batches, options)
            .map_err(|error| TrainError::Step { step: self.done + 1, error })?;
        self.done += 1;
        self.stopwatch.steps += 1;
        self.since_line.merge(&stepped.tally);
        self.since_epoch.merge(&stepped.tally);
        progress.advance("train", self.done, self.course.total);
        if self.done.is_multiple_of(recipe.train.logging_steps) || self.done == self.course.total {
            self.log_step(stepped.grad_norm, rates.decoder, &phase.name, progress);
        }
        Ok(())
    }

    fn log_step(&mut self, grad_norm: f64, lr: f64, phase: &str, progress: &mut dyn Progress) {
        let (elapsed_time, remaining_time) = self.pace.times(self.done, self.course.total);
        let Stopwatch { started, waited, steps } = std::mem::replace(&mut self.stopwatch, Stopwatch::start());
        let seconds = started.elapsed().as_secs_f64();
        let tally = std::mem::take(&mut self.since_line);
        let line = StepLine {
            current_steps: self.done,
            total_steps: self.course.total,
            loss: tally.loss(),
            lr,
            epoch: self.course.epoch_at(self.done),
            percentage: 100.0 * self.done as f64 / self.course.total as f64,
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

    /// Asks the untouched base. False where that was interrupted; its answers are kept.
    fn test_base(&mut self, progress: &mut dyn Progress, interrupt: &Interrupt) -> Result<bool, TrainError> {
        let mut exam = Exam { reader: &self.learner.reader, cases: &self.cases, progress, interrupt };
        match self.benchmark.base(&mut exam) {
            Err(error) if error.is_interrupt() => Ok(false),
            tested => Ok(tested.map(|()| true)?),
        }
    }

    /// An epoch whose benchmark was interrupted is tested to its end before the next one begins.
    fn end_what_was_interrupted(
        &mut self,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<(), TrainError> {
        let Some(step) = self.done.checked_sub(1) else { return Ok(()) };
        let place = self.course.at(step);
        if place.ends_epoch && self.benchmark.owes(self.epoch_end(place)) {
            self.end_epoch(place, progress, interrupt)?;
        }
        Ok(())
    }

    /// The epoch that ends with the last step done.
    fn epoch_end(&self, place: Place) -> EpochEnd<'a> {
        EpochEnd {
            epoch: place.epochs_before + 1,
            step: self.done,
            phase: &self.recipe.curriculum.phase[place.phase],
            first_epoch: place.epochs_before + 1 - place.epoch,
            ends_phase: place.phase_step + 1 == place.phase_total || self.done == self.course.total,
        }
    }

    /// Tests what was learned and saves it. An interrupt ends the test; what was learned is saved all the same, and the test
    /// is made to its end when the run goes on.
    fn end_epoch(
        &mut self,
        place: Place,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<(), TrainError> {
        let end = self.epoch_end(place);
        let mut tested = Tested::default();
        if self.benchmark.is_due(end) {
            let other = if self.benchmark.needs_surrogate() { self.learner.other_base()? } else { None };
            let base = Some(other.as_ref().unwrap_or(&self.learner.reader));
            let mut exam = Exam { reader: &self.learner.reader, cases: &self.cases, progress, interrupt };
            match self.benchmark.epoch(end, base, &mut exam) {
                Err(error) if error.is_interrupt() => return self.save(progress),
                made => tested = made?,
            }
        }
        let Tested { metrics, promoted } = tested;
        if promoted {
            let steps = place.phase_step + 1;
            self.course.cut(place.phase, steps);
            self.promoted.insert(place.phase, steps);
            progress.note(&format!("{} ends by its promotion rule after {steps} steps", end.phase.name));
        }
        let mut warnings = self.log.metrics(self.done, f64::from(end.epoch), &metrics);
        if let Some(forgetting) = self.benchmark.forgetting().filter(|_| end.ends_phase || promoted) {
            warnings.extend(self.log.text("forgetting", self.done, &forgetting.markdown()));
        }
        warnings.iter().for_each(|warning| progress.warning(warning));
        let better = self
            .benchmark
            .best_of(&metrics)
            .filter(|(_, value)| self.best.as_ref().is_none_or(|best| *value > best.value));
        if let Some((metric, value)) = better {
            self.best = Some(Best { metric, value, step: self.done });
        }
        let loss = std::mem::take(&mut self.since_epoch).loss();
        self.save(progress)?;
        progress.epoch(&EpochLine {
            phase: end.phase.name.clone(),
            epoch: end.epoch,
            epochs: self.course.epochs,
            global_step: self.done,
            loss,
            metrics,
        });
        self.stopwatch = Stopwatch::start();
        Ok(())
    }

    fn save(&mut self, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let place = self.course.at(self.done - 1);
        let state = TrainerState {
            global_step: self.done,
            max_steps: self.course.total,
            phase: place.phase,
            epoch: place.epoch + u32::from(place.ends_epoch),
            step_in_epoch: if place.ends_epoch { 0 } else { place.step + 1 },
            promoted: self.promoted.clone(),
            since_line: self.since_line.clone(),
            since_epoch: self.since_epoch.clone(),
            loss_history: self.history.clone(),
            best: self.best.clone(),
            seed: self.recipe.seed,
            recipe_digest: self.recipe.digest(),
            prompt_digest: self.prompt_digest.clone(),
            random_scheme: RANDOM_SCHEME.to_owned(),
        };
        let root = self.folder.root().to_path_buf();
        let learner = &mut self.learner;
        self.frozen.unmoved(&mut learner.reader.model)?;
        checkpoint::write(&root, self.done, |folder| -> Result<(), TrainError> {
            learner.save(folder)?;
            state.write(folder)?;
            Ok(())
        })?;
        checkpoint::link(&root, LAST, self.done)?;
        if let Some(best) = &self.best {
            checkpoint::link(&root, BEST, best.step)?;
        }
        if let Some(limit) = self.recipe.train.save_total_limit {
            checkpoint::prune(&root, limit, self.done)?;
        }
        progress.note(&format!("saved {}", root.join(checkpoint::name(self.done)).display()));
        Ok(())
    }

    fn finished(self, interrupted: bool) -> Finished {
        Finished {
            folder: self.folder.root().to_path_buf(),
            global_step: self.done,
            interrupted,
            report: Some(self.folder.report()).filter(|report| report.is_file()),
            epochs: self.benchmark.into_epochs(),
        }
    }
}
