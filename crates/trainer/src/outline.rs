//! What a run will teach, counted before it runs: phase by phase which questions, told what, under which conditions.

use std::collections::BTreeMap;

use stepwise_curriculum::case::Case;

use crate::augment::{Augmenter, Told};
use crate::course::Course;
use crate::recipe::{Freeze, Recipe};

/// All phases.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// In order; those that `max_steps` leaves no step are missing.
    pub phases: Vec<PhaseOutline>,
}

/// One phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseOutline {
    /// Its name.
    pub name: String,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Parts that it freezes of what the recipe trains.
    pub freeze: Freeze,
    /// Optimiser steps.
    pub steps: u64,
    /// Passes over what it learns, the last perhaps not whole.
    pub epochs: f64,
    /// Lessons of each clinical stage, replayed ones among them. Each is one supervised question.
    pub stages: [usize; 4],
    /// Lessons by what they are told of earlier questions.
    pub told: BTreeMap<Told, usize>,
    /// Lessons by the condition they stand under; the others ask the question as it is stored.
    pub conditions: BTreeMap<&'static str, usize>,
}

impl PhaseOutline {
    /// Lessons altogether.
    #[must_use]
    pub fn lessons(&self) -> usize {
        self.stages.iter().sum()
    }
}

impl Outline {
    /// Walks through every step of `course`.
    #[must_use]
    pub fn new(recipe: &Recipe, cases: &[Case], course: &Course) -> Self {
        let augmenter = Augmenter::new(recipe, cases);
        let mut phases: Vec<PhaseOutline> = Vec::new();
        for step in 0..course.total {
            let place = course.at(step);
            if place.phase_step == 0 {
                let phase = &recipe.curriculum.phase[place.phase];
                phases.push(PhaseOutline {
                    name: phase.name.clone(),
                    learning_rate: phase.learning_rate,
                    freeze: phase.freeze,
                    steps: 0,
                    epochs: 0.0,
                    stages: [0; 4],
                    told: BTreeMap::new(),
                    conditions: BTreeMap::new(),
                });
            }
            let Some(phase) = phases.last_mut() else { continue };
            phase.steps += 1;
            phase.epochs = course.epoch_at(step + 1) - f64::from(place.epochs_before - place.epoch);
            for sample in course.samples(place) {
                let asked = augmenter.asked(place, sample);
                let stage = cases[sample.case].chain[sample.item].stage;
                phase.stages[usize::from(stage) - 1] += 1;
                *phase.told.entry(asked.told).or_default() += 1;
                if let Some(condition) = asked.condition {
                    *phase.conditions.entry(condition).or_default() += 1;
                }
            }
        }
        Self { phases }
    }
}
