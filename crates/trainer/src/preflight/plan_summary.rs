//! What a run will teach, known before it runs: step by step which questions, told what, under which conditions; and counted
//! phase by phase.

use std::collections::BTreeMap;

use stepwise_curriculum::Sample;
use stepwise_curriculum::run_plan::{Course, Place};
use stepwise_data::case::Case;
use stepwise_recipe::{Freeze, Phase, Recipe};

use stepwise_benchmark::perturb::trainable::teaches_to_decline;

use crate::batches::augment::{Asked, Augmenter, Told};
use crate::optim::learning_rates::Rates;

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
    /// Lessons on blank pictures.
    pub blank: usize,
}

impl PhaseOutline {
    /// Lessons altogether.
    #[must_use]
    pub fn lessons(&self) -> usize {
        self.stages.iter().sum()
    }
}

impl Outline {
    /// Counts what the steps of `course` teach.
    #[must_use]
    pub fn new(recipe: &Recipe, cases: &[Case], course: &Course) -> Self {
        let mut phases: Vec<PhaseOutline> = Vec::new();
        for (done, step) in (1..).zip(steps(recipe, cases, course)) {
            let place = step.place;
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
                    blank: 0,
                });
            }
            let Some(phase) = phases.last_mut() else { continue };
            phase.steps += 1;
            phase.epochs = course.epoch_at(done) - f64::from(place.epochs_before - place.epoch);
            for lesson in step.lessons {
                phase.stages[usize::from(lesson.stage) - 1] += 1;
                *phase.told.entry(lesson.told).or_default() += 1;
                phase.blank += usize::from(lesson.is_blank);
                if let Some(condition) = lesson.condition {
                    *phase.conditions.entry(condition).or_default() += 1;
                }
            }
        }
        Self { phases }
    }
}

/// Lessons expected under a condition, from which on it is no chance that there is none.
const EXPECTED: f64 = 5.0;

impl Outline {
    /// Conditions of `augment` that no lesson stands under, though their share asks for some: a line for each phase that has any.
    #[must_use]
    pub fn idle(&self, recipe: &Recipe) -> Vec<String> {
        let of_phase = |(outline, phase): (&PhaseOutline, &Phase)| {
            let idle = phase.lesson.augment.conditions.iter().filter(|one| {
                one.share * outline.lessons() as f64 >= EXPECTED && !outline.conditions.contains_key(one.kind)
            });
            let kinds: Vec<&str> = idle.map(|one| one.kind).collect();
            let help = if phase.lesson.blank_images {
                "its pictures are blank"
            } else if kinds.iter().any(|kind| teaches_to_decline(kind)) {
                "without the picture only a question with an option to decline has an answer: `refusal` in `[data]` offers one"
            } else {
                "they do not apply to the questions of its stages"
            };
            (!kinds.is_empty())
                .then(|| format!("{}: no lesson stands under {} -> {help}", outline.name, kinds.join(", ")))
        };
        self.phases.iter().zip(&recipe.curriculum.phase).filter_map(of_phase).collect()
    }
}

/// An optimiser step that is to come.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// Where it stands.
    pub place: Place,
    /// The learning rate that logs will name.
    pub learning_rate: f64,
    /// What it will learn from.
    pub lessons: Vec<PlannedLesson>,
}

/// A question that will be learned from.
#[derive(Clone, Debug)]
pub struct PlannedLesson {
    /// Which one.
    pub sample: Sample,
    /// Its clinical stage, 1 to 4.
    pub stage: u8,
    /// Whether it comes back from an earlier phase.
    pub replayed: bool,
    /// What it is told of earlier questions.
    pub told: Told,
    /// The condition it stands under.
    pub condition: Option<&'static str>,
    /// Whether its pictures are blanked, as all of its phase are.
    pub is_blank: bool,
}

/// Every step of `course` with its lessons, one after the other.
pub fn steps<'a>(
    recipe: &'a Recipe,
    cases: &'a [Case],
    course: &'a Course,
) -> impl Iterator<Item = PlannedStep> + use<'a> {
    let augmenter = Augmenter::new(recipe, cases);
    (0..course.total).map(move |done| {
        let place = course.at(done);
        let phase = &recipe.curriculum.phase[place.phase];
        let lesson = |sample: Sample| {
            let asked = augmenter.asked(place, sample);
            let stage = cases[sample.case].chain[sample.item].stage;
            let replayed = !phase.stages.contains(&stage);
            let Asked { told, condition, is_blank, .. } = asked;
            PlannedLesson { sample, stage, replayed, told, condition, is_blank }
        };
        let learning_rate = Rates::at(recipe, place, (done, course.planned)).named(recipe, phase);
        PlannedStep { place, learning_rate, lessons: course.samples(place).into_iter().map(lesson).collect() }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use stepwise_data::abstain_option::offer;
    use stepwise_data::case::Answer;
    use stepwise_data::synth::{SynthOptions, record};

    use super::*;

    fn idle(cases: &[Case], augment: &str) -> Vec<String> {
        let text = format!(
            "model_name_or_path = \"m\"\ndata.synth = {{ cases = 8 }}\n[curriculum]\naugment = {augment}\n\
             [[curriculum.phase]]\nstages = [1]\n[[curriculum.phase]]\nstages = [2, 3, 4]\n"
        );
        let recipe = Recipe::parse(Path::new("r.toml"), text, &[]).unwrap_or_else(|error| panic!("{error}"));
        let course = Course::new(&recipe, cases).expect("a course");
        Outline::new(&recipe, cases, &course).idle(&recipe)
    }

    #[test]
    fn a_condition_that_no_lesson_stands_under_is_named() {
        let mut cases: Vec<Case> = (0..40).map(|number| record(number, &SynthOptions::default())).collect();
        for item in cases.iter_mut().flat_map(|case| &mut case.chain) {
            if let Answer::Choice { refusal, .. } = &mut item.answer {
                *refusal = None;
            }
        }
        let augment = "{ blank = 0.2, swap_far = 0.2, hint_minus = 0.2 }";
        let said = idle(&cases, augment);
        assert_eq!(said.len(), 2, "{said:?}");
        for (line, phase) in said.iter().zip(["s1", "s234"]) {
            let start = format!("{phase}: no lesson stands under blank, swap_far -> ");
            assert!(line.starts_with(&start) && line.ends_with("`refusal` in `[data]` offers one"), "{line}");
        }
        cases.iter_mut().for_each(|case| offer(case, "cannot be told"));
        // Any picture answers what the first stage asks of it.
        let said = idle(&cases, augment);
        assert!(said.len() == 1 && said[0].starts_with("s1: no lesson stands under swap_far -> "), "{said:?}");
        assert_eq!(
            idle(&cases, "{ premise_false = 0.3 }")[0],
            "s1: no lesson stands under premise_false -> they do not apply to the questions of its stages"
        );
        assert!(idle(&cases, "{ blank = 0.0001 }").is_empty(), "by chance");
    }
}
