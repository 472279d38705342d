//! The course of a run: which phase, epoch and step every optimiser step is. A function of the recipe and the cases.

use stepwise_curriculum::case::Case;
use stepwise_curriculum::phase::{Phase, Plan, PlanError, Sample};

use crate::recipe::Recipe;

/// All phases laid end to end.
#[derive(Clone, Debug)]
pub struct Course {
    plan: Plan,
    seed: u64,
    legs: Vec<Leg>,
    /// Optimiser steps of the whole run.
    pub total: u64,
    /// Epochs of the whole run, the last one perhaps cut short by `max_steps`.
    pub epochs: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Leg {
    steps_per_epoch: u64,
    epochs: u32,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the phase.
    pub phase: usize,
    /// Epochs of that phase that are done.
    pub epoch: u32,
    /// Epochs of the whole run that are done.
    pub epochs_before: u32,
    /// Steps of that epoch that are done.
    pub step: u64,
    /// Steps of that phase that are done.
    pub phase_step: u64,
    /// Steps of that phase altogether.
    pub phase_total: u64,
    /// Whether it is the last step of its epoch.
    pub ends_epoch: bool,
}

impl Course {
    /// Lays out `recipe` over `cases`.
    ///
    /// # Errors
    /// When a phase finds no question among them.
    pub fn new(recipe: &Recipe, cases: &[Case]) -> Result<Self, PlanError> {
        let phases = recipe.curriculum.phase.iter().map(|phase| Phase {
            name: phase.name.clone(),
            stages: phase.stages.clone(),
            num_train_epochs: Some(f64::from(phase.num_train_epochs)),
            max_steps: None,
            learning_rate: Some(phase.learning_rate),
            replay: phase.replay,
            context: phase.context,
        });
        let plan = Plan::new(phases.collect(), cases, cases_per_step(recipe))?;
        let leg = |(index, phase): (usize, &crate::recipe::Phase)| Leg {
            steps_per_epoch: plan.steps_per_epoch(index) as u64,
            epochs: phase.num_train_epochs,
        };
        let legs: Vec<Leg> = recipe.curriculum.phase.iter().enumerate().map(leg).collect();
        let all = legs.iter().map(|leg| leg.steps_per_epoch * u64::from(leg.epochs)).sum::<u64>();
        let total = recipe.train.max_steps.map_or(all, |most| most.min(all));
        let mut course = Self { plan, seed: recipe.seed, legs, total, epochs: 0 };
        course.epochs = total.checked_sub(1).map_or(0, |last| course.at(last).epochs_before + 1);
        Ok(course)
    }

    /// The questions of the step at `place`.
    #[must_use]
    pub fn samples(&self, place: Place) -> Vec<Sample> {
        self.plan.batch(self.seed, place.phase, place.epoch as usize, place.step as usize)
    }

    /// How many phases there are.
    #[must_use]
    pub fn phases(&self) -> usize {
        self.legs.len()
    }

    /// The place of step `done`, counted from 0.
    ///
    /// # Panics
    /// When the run has no such step.
    #[must_use]
    pub fn at(&self, done: u64) -> Place {
        let (mut before, mut epochs_before) = (0, 0);
        for (phase, leg) in self.legs.iter().enumerate() {
            let phase_total = leg.steps_per_epoch * u64::from(leg.epochs);
            if done < before + phase_total {
                let phase_step = done - before;
                let epoch = (phase_step / leg.steps_per_epoch) as u32;
                let step = phase_step % leg.steps_per_epoch;
                let ends_epoch = step + 1 == leg.steps_per_epoch || done + 1 == self.total;
                let epochs_before = epochs_before + epoch;
                return Place { phase, epoch, epochs_before, step, phase_step, phase_total, ends_epoch };
            }
            before += phase_total;
            epochs_before += leg.epochs;
        }
        unreachable!("step {done} of {before}")
    }

    /// How much of the run's epochs is done after `done` steps, as a number of epochs.
    #[must_use]
    pub fn epoch_at(&self, done: u64) -> f64 {
        match done.checked_sub(1) {
            None => 0.0,
            Some(last) => {
                let place = self.at(last);
                let steps = self.legs[place.phase].steps_per_epoch;
                f64::from(place.epochs_before) + (place.step + 1) as f64 / steps as f64
            }
        }
    }
}

/// Cases of one optimiser step.
#[must_use]
pub fn cases_per_step(recipe: &Recipe) -> usize {
    recipe.train.per_device_train_batch_size * recipe.train.gradient_accumulation_steps
}
