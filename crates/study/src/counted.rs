//! Training budgets of all runs of a study, counted before the first run. Arms that are compared must have equal
//! budgets, and a continued study must train on the same examples as before.

use std::collections::HashMap;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::conversation::{Conversation, Part, Role};
use stepwise_data::io::digest::hex;
use stepwise_data::prompt::{PromptOptions, prompt};
use stepwise_recipe::Recipe;
use stepwise_trainer::batches::augment::Augmenter;
use stepwise_trainer::cases::Cases;
use stepwise_trainer::image_settings::of_recipe;
use stepwise_vlm::images::processor::ImageOptions;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::processor::Processor;

use crate::budget::{Budget, Unequal, differing};
use crate::definition::Study;
use crate::error::StudyError;
use crate::task::Task;

/// Training budget of a run, and a digest of its training examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Training budget.
    pub budget: Budget,
    /// SHA-256 (lower-case hexadecimal) of the training examples: for every step the questions, conditions, answers
    /// given as context, and texts, but not the pixels. Another version of the program may make other examples from the
    /// same recipe.
    pub lessons: String,
}

/// Counts training examples and supervised tokens. The number of tokens depends only on the answer's text and
/// is cached.
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

    fn count(&mut self, recipe: &Recipe, cases: &Cases) -> Result<Counted, String> {
        let run_plan = RunPlan::new(recipe, &cases.train).map_err(|error| error.to_string())?;
        let augmenter = Augmenter::new(recipe, cases).map_err(|error| error.to_string())?;
        let mut budget = Budget { steps: run_plan.total, ..Budget::default() };
        let mut lessons = Sha256::new();
        for step in 0..run_plan.total {
            let place = run_plan.at(step);
            let samples = run_plan.samples(place).into_iter();
            for asked in samples.flat_map(|sample| augmenter.all(place, sample)) {
                let sample = asked.sample;
                let stored = &cases.train[sample.case];
                let item = asked.perturbed.item.as_ref().unwrap_or(&stored.chain[sample.item]);
                let frame = PromptOptions { answer_form: recipe.train.answer_form, ..asked.perturbed.frame };
                budget.samples += 1;
                let asking = prompt(stored, item, &frame);
                budget.supervised_tokens += self.tokens(&asking.answer)?;
                let shown = (asked.condition, asked.context.name(), &asking.conversation, &asking.answer);
                let lesson = (step, &stored.case_id, &stored.chain[sample.item].id, shown);
                lessons.update(serde_json::to_vec(&lesson).map_err(|error| error.to_string())?);
            }
        }
        Ok(Counted { budget, lessons: hex(&lessons.finalize()) })
    }
}

/// Counts the training budgets of `tasks` of `study`, in the order of the tasks. Reads the cases and the tokenizer, but
/// no weights, and images only where the partners of pairs are chosen by thumbnails.
///
/// # Errors
/// When the cases or the processor of an arm cannot be loaded, or its run plan cannot be made.
pub fn count<'a>(study: &Study, tasks: impl IntoIterator<Item = &'a Task>) -> Result<Vec<Counted>, StudyError> {
    let mut processors: HashMap<(PathBuf, ImageOptions), Processor> = HashMap::new();
    let mut cases: Vec<(stepwise_recipe::Data, Cases)> = Vec::new();
    let mut counted = Vec::new();
    for task in tasks {
        let failed = |problem: String| StudyError::Budget { arm: study.arms[task.arm].name.clone(), problem };
        let data = &task.recipe.data;
        let known = cases.iter().position(|(of, _)| of == data);
        let place = match known {
            Some(place) => place,
            None => {
                cases.push((data.clone(), study.checked_cases(task)?));
                cases.len() - 1
            }
        };
        let model = &task.recipe.model_name_or_path;
        let key = (model.clone(), of_recipe(&task.recipe));
        if !processors.contains_key(&key) {
            // A model of another kind is refused by its type, not by a file that its folder lacks.
            Vlm::load_config(model).map_err(|error| failed(error.to_string()))?;
            let mut processor = Processor::from_folder(model).map_err(|error| failed(error.to_string()))?;
            processor.set_image_options(key.1).map_err(|error| failed(error.to_string()))?;
            processors.insert(key.clone(), processor);
        }
        let processor = &processors[&key];
        let cases = &mut cases[place].1;
        cases.train.iter_mut().for_each(|case| case.set_box_grid(|width, height| processor.box_grid(width, height)));
        let mut counter = Counter { processor, tokens: HashMap::new() };
        counted.push(counter.count(&task.recipe, cases).map_err(failed)?);
    }
    Ok(counted)
}

/// Checks that the arms of `study` have equal training budgets for each seed, except in quantities for which the study
/// gives a reason. `budgets` are the budgets of all tasks, by task number.
///
/// # Errors
/// When budgets differ without a reason, or the runs of an arm may end early and there is no reason for different
/// steps.
///
/// # Panics
/// When `budgets` has fewer entries than the study has tasks.
pub fn check(study: &Study, budgets: &[Budget]) -> Result<(), StudyError> {
    let reasons = &study.file.unequal_budget;
    if reasons.steps.is_none()
        && let Some((task, key)) = study.tasks.iter().find_map(|task| Some((task, ends_early(&task.recipe)?)))
    {
        let problem = format!(
            "its runs may end before all planned steps (`{key}`) -> remove the key, or give the reason in the study: \
             `unequal_budget = {{ steps = \"...\" }}`"
        );
        return Err(StudyError::Budget { arm: study.arms[task.arm].name.clone(), problem });
    }
    // Arms are compared within a seed.
    for of_seed in study.tasks.chunk_by(|a, b| a.seed == b.seed) {
        let rows: Vec<(String, Budget)> =
            of_seed.iter().map(|task| (study.arms[task.arm].name.clone(), budgets[task.number])).collect();
        let differs = differing(rows.iter().map(|(_, budget)| budget), reasons);
        if !differs.is_empty() {
            return Err(StudyError::Unequal(Unequal { seed: of_seed[0].seed, differs, rows }));
        }
    }
    Ok(())
}

/// Key that may end a run before all planned steps; None if there is none.
fn ends_early(recipe: &Recipe) -> Option<&'static str> {
    if recipe.train.early_stopping.patience.is_some() {
        return Some("train.early_stopping_patience");
    }
    recipe.curriculum.phase.iter().any(|phase| phase.examples.early_advance.is_some()).then_some("early_advance")
}
