//! Run plan: phase, epoch and training data of every optimiser step. It depends only on the recipe and the cases.

use stepwise_data::case::Case;
use stepwise_recipe::lr_schedule::Warmup;
use stepwise_recipe::{Order, Recipe, SamplingOrder};

use crate::phase::{Phase, Visits};
use crate::sampler::{PlanError, SampleIndex, Sampler};

/// Plan of a run: its phases one after the other, and the training data of every optimiser step.
#[derive(Clone, Debug)]
pub struct RunPlan {
    plan: Sampler,
    seed: u64,
    spans: Vec<PhaseSpan>,
    /// `max_steps` of the recipe.
    most: Option<u64>,
    /// Number of steps after which the run was stopped early.
    ended: Option<u64>,
    /// Number of optimiser steps of the whole run as planned, before any early stopping or early advance. It is the
    /// length of a learning-rate schedule over the whole run.
    pub planned: u64,
    /// Number of optimiser steps of the whole run, after early stopping and early advances.
    pub total: u64,
    /// Number of epochs of the whole run, after early stopping and early advances. The last one may be cut short
    /// by `max_steps`.
    pub epochs: u32,
}

/// Phase span: number of steps of one phase.
#[derive(Clone, Debug, PartialEq)]
struct PhaseSpan {
    steps_per_epoch: u64,
    /// Steps of the phase by the recipe, or fewer after an early advance.
    written: u64,
    /// Steps of the phase within `max_steps`. The last epoch is shorter if they are not a whole number of epochs.
    steps: u64,
}

impl PhaseSpan {
    fn epochs(&self) -> u32 {
        self.steps.div_ceil(self.steps_per_epoch) as u32
    }
}

/// Position of an optimiser step: phase, epoch and step within the run plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepPosition {
    /// Index of the phase, from 0.
    pub phase: usize,
    /// Completed epochs of this phase before the step.
    pub epoch: u32,
    /// Completed epochs of the whole run before the step.
    pub epochs_before: u32,
    /// Completed steps of this epoch before the step.
    pub step: u64,
    /// Completed steps of this phase before the step.
    pub phase_step: u64,
    /// Number of steps of this phase within `max_steps`.
    pub phase_total: u64,
    /// Whether this is the last step of its epoch, of its phase or of the run.
    pub ends_epoch: bool,
}

impl RunPlan {
    /// Plans the run of `recipe` on the training cases `cases`. Equal recipes and cases give equal plans.
    ///
    /// # Errors
    /// When
    /// - there is no phase, or a step has no cases,
    /// - a value of a phase is invalid, or its stages have no question,
    /// - the weights of a phase leave no case or name an unknown data set,
    /// - a phase with replay has nothing to repeat,
    /// - an order has more phases than steps,
    /// - a schedule ends within its warm-up,
    /// - the `early_advance` rule of a phase can never end the phase early,
    /// - the weight of a loss has a schedule of a single step.
    pub fn new(recipe: &Recipe, cases: &[Case]) -> Result<Self, PlanError> {
        let phases = phases(recipe, cases)?;
        let plan = Sampler::new(phases, cases, cases_per_step(recipe))?;
        let span = |phase: usize| {
            let steps = plan.steps(phase) as u64;
            PhaseSpan { steps_per_epoch: plan.steps_per_epoch(phase) as u64, written: steps, steps }
        };
        let spans: Vec<PhaseSpan> = (0..plan.phases().len()).map(span).collect();
        let (seed, most) = (recipe.seed, recipe.train.max_steps);
        let mut run_plan = Self { plan, seed, spans, most, ended: None, planned: 0, total: 0, epochs: 0 };
        run_plan.count();
        run_plan.planned = run_plan.total;
        run_plan.check_warmup(recipe)?;
        run_plan.check_early_advance(recipe)?;
        run_plan.check_weights(recipe)?;
        Ok(run_plan)
    }

    /// Checks that each schedule (of the run, or of each phase if `lr_schedule_per_phase` is set) is longer than
    /// its warm-up.
    fn check_warmup(&self, recipe: &Recipe) -> Result<(), PlanError> {
        if !recipe.curriculum.lr_schedule_per_phase {
            return match recipe.train.warmup {
                Warmup::Steps(warmup) if warmup >= self.total.max(1) => {
                    Err(PlanError::Warmup { warmup, steps: self.total })
                }
                _ => Ok(()),
            };
        }
        for (phase, (span, keys)) in self.spans.iter().zip(&recipe.curriculum.phase).enumerate() {
            let steps = if span.steps == 0 { span.written } else { span.steps };
            if let Warmup::Steps(warmup) = keys.warmup.unwrap_or(recipe.train.warmup)
                && warmup >= steps.max(1)
            {
                let cut = if steps < span.written { " within the `max_steps` of the run" } else { "" };
                return Err(PlanError::Value {
                    phase,
                    field: "warmup_steps",
                    what: format!("the warm-up takes {warmup} steps, but the phase has only {steps}{cut}"),
                    advice: "lower it, lengthen the phase, or set `lr_schedule_per_phase = false` for one schedule over the whole run",
                });
            }
        }
        Ok(())
    }

    /// Checks that a phase with a `early_advance` rule has an evaluated epoch before its last one. Otherwise the rule
    /// has no effect.
    fn check_early_advance(&self, recipe: &Recipe) -> Result<(), PlanError> {
        let mut before = 0;
        for (phase, (span, keys)) in self.spans.iter().zip(&recipe.curriculum.phase).enumerate() {
            let epochs = span.written.div_ceil(span.steps_per_epoch.max(1)) as u32;
            let is_tested = |epoch: u32| epoch.is_multiple_of(recipe.benchmark.every);
            if keys.examples.early_advance.is_some() && !(before + 1..before + epochs).any(is_tested) {
                return Err(PlanError::Value {
                    phase,
                    field: "early_advance",
                    what: "no epoch before the last one of the phase is evaluated, so the rule has no effect"
                        .to_owned(),
                    advice: "give the phase more epochs, lower `every` in `[benchmark]`, or remove the rule",
                });
            }
            before += epochs;
        }
        Ok(())
    }

    /// Checks that each schedule of a loss's weight has at least two steps: steps of the phase in the objective of a phase,
    /// steps of the run in `[objective]`.
    fn check_weights(&self, recipe: &Recipe) -> Result<(), PlanError> {
        for (phase, (span, keys)) in self.spans.iter().zip(&recipe.curriculum.phase).enumerate() {
            let of_phase = if span.steps == 0 { span.written } else { span.steps };
            let (steps, whole) = if keys.objective.is_some() { (of_phase, "phase") } else { (self.total, "run") };
            let weights = recipe.objective_of(phase).weights();
            let scheduled = weights.into_iter().find(|(_, weight)| !weight.is_constant());
            if let Some((name, _)) = scheduled.filter(|_| steps <= 1) {
                return Err(PlanError::Value {
                    phase,
                    field: "objective",
                    what: format!("the weight of `{name}` has a schedule, and the {whole} has a single step"),
                    advice: "write the weight as a number, or lengthen the training",
                });
            }
        }
        Ok(())
    }

    /// Recomputes the totals of the run. `max_steps` shortens the phase in which it falls, with its schedule. Later
    /// phases get no steps.
    fn count(&mut self) {
        let mut left = self.most.unwrap_or(u64::MAX);
        for span in &mut self.spans {
            span.steps = span.written.min(left);
            left -= span.steps;
        }
        let all = self.spans.iter().map(|span| span.steps).sum::<u64>();
        self.total = self.ended.map_or(all, |ended| ended.min(all));
        self.epochs = self.total.checked_sub(1).map_or(0, |last| self.at(last).epochs_before + 1);
    }

    /// Ends a phase, counted from 0, after `steps` of its steps (early advance). The following phases begin earlier,
    /// and [`RunPlan::total`] and [`RunPlan::epochs`] change. Nothing changes when the phase has no more steps than
    /// that.
    ///
    /// # Panics
    /// When there is no such phase.
    pub fn cut(&mut self, phase: usize, steps: u64) {
        self.spans[phase].written = steps.min(self.spans[phase].written);
        self.count();
    }

    /// Ends the run after `done` steps (early stopping) and updates [`RunPlan::total`] and [`RunPlan::epochs`]. A
    /// number of steps beyond the plan has no effect.
    pub fn end_after(&mut self, done: u64) {
        self.ended = Some(done);
        self.count();
    }

    /// Returns the number of steps completed when the phase that contains step `done`, counted from 0, ends; at
    /// most [`RunPlan::total`].
    ///
    /// # Panics
    /// When the run has no step `done`.
    #[must_use]
    pub fn phase_end(&self, done: u64) -> u64 {
        let place = self.at(done);
        (done - place.phase_step + place.phase_total).min(self.total)
    }

    /// Returns the samples (case and question) of the step at `place`, the questions of a case together. Empty after
    /// the last step of an epoch.
    ///
    /// # Panics
    /// When `place` names a phase that the plan lacks.
    #[must_use]
    pub fn samples(&self, place: StepPosition) -> Vec<SampleIndex> {
        self.plan.batch(self.seed, place.phase, place.epoch as usize, place.step as usize)
    }

    /// Returns the samples of the step at `place`, split into micro-batches of `cases` cases each. The last one may be
    /// smaller.
    ///
    /// # Panics
    /// When `cases` is 0, or `place` names a phase that the plan lacks.
    #[must_use]
    pub fn micro_batches(&self, place: StepPosition, cases: usize) -> Vec<Vec<SampleIndex>> {
        let samples = self.samples(place);
        let of_one_case: Vec<&[SampleIndex]> = samples.chunk_by(|a, b| a.case == b.case).collect();
        of_one_case.chunks(cases).map(<[&[SampleIndex]]>::concat).collect()
    }

    /// Returns the number of phases, including phases that get no steps.
    #[must_use]
    pub fn phases(&self) -> usize {
        self.spans.len()
    }

    /// Returns the position of the first step of a phase, counted from 0, even if the run ends before it.
    ///
    /// # Panics
    /// When there is no such phase.
    #[must_use]
    pub fn beginning(&self, phase: usize) -> StepPosition {
        let span = &self.spans[phase];
        StepPosition {
            phase,
            epoch: 0,
            epochs_before: self.spans[..phase].iter().map(PhaseSpan::epochs).sum(),
            step: 0,
            phase_step: 0,
            phase_total: span.steps,
            ends_epoch: span.steps == 1,
        }
    }

    /// Returns the position of step `done`, counted from 0.
    ///
    /// # Panics
    /// When the phases together have no such step.
    #[must_use]
    pub fn at(&self, done: u64) -> StepPosition {
        let (mut before, mut epochs_before) = (0, 0);
        for (phase, span) in self.spans.iter().enumerate() {
            let phase_total = span.steps;
            if done < before + phase_total {
                let phase_step = done - before;
                let epoch = (phase_step / span.steps_per_epoch) as u32;
                let step = phase_step % span.steps_per_epoch;
                let ends_epoch =
                    step + 1 == span.steps_per_epoch || phase_step + 1 == phase_total || done + 1 == self.total;
                let epochs_before = epochs_before + epoch;
                return StepPosition { phase, epoch, epochs_before, step, phase_step, phase_total, ends_epoch };
            }
            before += phase_total;
            epochs_before += span.epochs();
        }
        unreachable!("step {done} of {before}")
    }

    /// Returns the completed epochs of the run after `done` steps, as a fraction; 0 for no steps. Each phase counts its
    /// own epochs, whatever their lengths in steps.
    ///
    /// # Panics
    /// When the phases together have fewer steps.
    #[must_use]
    pub fn epoch_at(&self, done: u64) -> f64 {
        match done.checked_sub(1) {
            None => 0.0,
            Some(last) => {
                let place = self.at(last);
                let steps = self.spans[place.phase].steps_per_epoch;
                f64::from(place.epochs_before) + (place.step + 1) as f64 / steps as f64
            }
        }
    }
}

/// Returns the phases of the recipe in the form that the plan needs. The phases of an `order` have no own number of
/// epochs: the steps of the run, whose number is the same for every order, are divided equally among them.
fn phases(recipe: &Recipe, cases: &[Case]) -> Result<Vec<Phase>, PlanError> {
    let written = &recipe.curriculum.phase;
    let phase = |phase: &stepwise_recipe::PhaseRecipe| Phase {
        name: phase.name.clone(),
        stages: phase.stages.clone(),
        num_train_epochs: phase.num_train_epochs.map(f64::from),
        max_steps: phase.max_steps.map(|steps| steps as usize),
        learning_rate: Some(phase.learning_rate),
        replay: phase.examples.replay,
        visits: visits_of(phase.sampling_order),
        dataset_weights: phase.examples.dataset_weights.clone(),
    };
    let mut phases: Vec<Phase> = written.iter().map(phase).collect();
    let Some(order) = &recipe.curriculum.order else { return Ok(phases) };
    let everything = Phase {
        name: "all".into(),
        stages: vec![1, 2, 3, 4],
        num_train_epochs: None,
        max_steps: None,
        learning_rate: None,
        replay: 0.0,
        visits: Visits::Stage,
        dataset_weights: recipe.curriculum.examples.dataset_weights.clone(),
    };
    let epoch = Sampler::new(vec![everything], cases, cases_per_step(recipe))?.steps_per_epoch(0);
    let all = epoch as u64 * u64::from(recipe.train.num_train_epochs);
    let all = recipe.train.max_steps.map_or(all, |most| most.min(all)) as usize;
    let count = phases.len();
    if all < count {
        return Err(PlanError::Short { steps: all, phases: count });
    }
    for (index, phase) in phases.iter_mut().enumerate() {
        phase.num_train_epochs = None;
        phase.max_steps = Some((index + 1) * all / count - index * all / count);
        phase.visits = visits_of_order(order);
    }
    Ok(phases)
}

/// Returns the visits that a phase's sampling order makes.
fn visits_of(sampling_order: SamplingOrder) -> Visits {
    match sampling_order {
        SamplingOrder::Shuffled => Visits::Case,
        SamplingOrder::RoundRobin => Visits::RoundRobin,
        SamplingOrder::Competence => Visits::Competence,
    }
}

/// Returns the visits that the phases of an order make: one stage each, so that equal steps hold equally many questions
/// in every order.
fn visits_of_order(order: &Order) -> Visits {
    match order {
        Order::RoundRobin => Visits::RoundRobin,
        Order::Competence => Visits::Competence,
        _ => Visits::Stage,
    }
}

/// Returns the number of case visits in one optimiser step: the batch size times the gradient accumulation steps of
/// `[train]`.
#[must_use]
pub fn cases_per_step(recipe: &Recipe) -> usize {
    recipe.train.per_device_train_batch_size * recipe.train.gradient_accumulation_steps
}

#[cfg(test)]
mod tests;
