//! What every run would be taught, counted before anything runs: arms that are to be compared must have had the same.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use stepwise_curriculum::case::Case;
use stepwise_curriculum::conversation::{Conversation, Part, Role};
use stepwise_curriculum::prompt::{Frame, prompt};
use stepwise_vlm::processor::Processor;

use super::{Study, StudyError};
use crate::augment::Augmenter;
use crate::course::Course;
use crate::recipe::Recipe;

/// What a run is taught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Optimiser steps.
    pub steps: u64,
    /// Lessons; a question taught twice counts twice.
    pub samples: u64,
    /// Tokens the loss is taken on.
    pub supervised_tokens: u64,
}

/// By how much samples and tokens may differ before they are not the same: a pass whose cases are no whole number of batches
/// ends in a smaller one, in each phase anew. Steps may not differ at all.
pub const TOLERANCE: f64 = 0.01;

/// The budgets of all arms, which differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Unequal {
    seed: u64,
    rows: Vec<(String, Budget)>,
}

impl fmt::Display for Unequal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the arms would not be taught the same (seed {}):", self.seed)?;
        let width = self.rows.iter().map(|(arm, _)| arm.len()).max().unwrap_or(0).max(3);
        writeln!(f, "  {:<width$}  {:>8}  {:>8}  {:>17}", "arm", "steps", "samples", "supervised tokens")?;
        for (arm, Budget { steps, samples, supervised_tokens }) in &self.rows {
            writeln!(f, "  {arm:<width$}  {steps:>8}  {samples:>8}  {supervised_tokens:>17}")?;
        }
        write!(
            f,
            " -> make them equal (`train.max_steps`, epochs, orders of one budget), or say in the study why they differ: \
             `unequal_budget = \"...\"`"
        )
    }
}

/// Counts lessons and their tokens. What an answer costs depends on its words alone, and is remembered.
struct Counter<'a> {
    processor: &'a Processor,
    tokens: HashMap<String, u64>,
}

impl Counter<'_> {
    fn tokens(&mut self, answer: &str) -> Result<u64, String> {
        if let Some(known) = self.tokens.get(answer) {
            return Ok(*known);
        }
        let mut question = Conversation::default();
        question.push(Role::User, vec![Part::text("?")]);
        let encoded =
            self.processor.encode(&question.answered(answer), &[], false).map_err(|error| error.to_string())?;
        let tokens = encoded.supervised.iter().filter(|supervised| **supervised).count() as u64;
        self.tokens.insert(answer.to_owned(), tokens);
        Ok(tokens)
    }

    fn count(&mut self, recipe: &Recipe, cases: &[Case]) -> Result<Budget, String> {
        let course = Course::new(recipe, cases).map_err(|error| error.to_string())?;
        let augmenter = Augmenter::new(recipe, cases);
        let mut budget = Budget { steps: course.total, ..Budget::default() };
        for step in 0..course.total {
            let place = course.at(step);
            for sample in course.samples(place) {
                let asked = augmenter.asked(place, sample);
                let stored = &cases[sample.case];
                let item = asked.perturbed.item.as_ref().unwrap_or(&stored.chain[sample.item]);
                let frame = Frame { answer_form: recipe.train.answer_form, ..asked.perturbed.frame };
                budget.samples += 1;
                budget.supervised_tokens += self.tokens(&prompt(stored, item, &frame).answer)?;
            }
        }
        Ok(budget)
    }
}

/// What every task of `study` would be taught, in their order.
///
/// # Errors
/// When cases, tokenizer or plan of an arm cannot be had; when arms differ and the study does not say why.
pub fn budgets(study: &Study) -> Result<Vec<Budget>, StudyError> {
    let mut processors: HashMap<(std::path::PathBuf, Option<bool>), Processor> = HashMap::new();
    let mut cases: Vec<(crate::recipe::Data, Vec<Case>)> = Vec::new();
    let mut budgets = Vec::new();
    for task in &study.tasks {
        let failed = |problem: String| StudyError::Budget { arm: study.arms[task.arm].name.clone(), problem };
        let data = &task.recipe.data;
        let known = cases.iter().position(|(of, _)| of == data);
        let place = match known {
            Some(place) => place,
            None => {
                cases.push((data.clone(), study.cases(task)?.train));
                cases.len() - 1
            }
        };
        let model = &task.recipe.model_name_or_path;
        let key = (model.clone(), task.recipe.do_image_splitting);
        if !processors.contains_key(&key) {
            let processor = Processor::from_folder(model).map_err(|error| failed(error.to_string()))?;
            processors.insert(key.clone(), processor);
        }
        let mut counter = Counter { processor: &processors[&key], tokens: HashMap::new() };
        budgets.push(counter.count(&task.recipe, &cases[place].1).map_err(failed)?);
    }
    if study.file.unequal_budget.is_none()
        && let Some(unequal) = unequal(study, &budgets)
    {
        return Err(StudyError::Unequal(unequal));
    }
    Ok(budgets)
}

/// The first seed of which arms differ. Arms are compared seed by seed.
fn unequal(study: &Study, budgets: &[Budget]) -> Option<Unequal> {
    study.tasks.chunk_by(|a, b| a.seed == b.seed).find_map(|of_seed| {
        let of = |task: &super::Task| budgets[task.number];
        (!are_equal(&of_seed.iter().map(of).collect::<Vec<_>>())).then(|| Unequal {
            seed: of_seed[0].seed,
            rows: of_seed.iter().map(|task| (study.arms[task.arm].name.clone(), of(task))).collect(),
        })
    })
}

fn are_equal(budgets: &[Budget]) -> bool {
    let within = |of: fn(&Budget) -> u64, tolerance: f64| {
        let (least, most) = (budgets.iter().map(of).min(), budgets.iter().map(of).max());
        least.zip(most).is_none_or(|(least, most)| (most - least) as f64 <= tolerance * most as f64)
    };
    within(|budget| budget.steps, 0.0)
        && within(|budget| budget.samples, TOLERANCE)
        && within(|budget| budget.supervised_tokens, TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_more_or_two_in_a_hundred_samples_are_not_the_same() {
        let of = |steps, samples, supervised_tokens| Budget { steps, samples, supervised_tokens };
        assert!(are_equal(&[of(10, 1000, 4000), of(10, 992, 4030)]));
        assert!(!are_equal(&[of(10, 1000, 4000), of(11, 1000, 4000)]));
        assert!(!are_equal(&[of(10, 1000, 4000), of(10, 980, 4000)]));
        assert!(!are_equal(&[of(10, 1000, 4000), of(10, 1000, 4100)]));
        assert!(are_equal(&[]));
    }
}
