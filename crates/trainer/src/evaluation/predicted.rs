//! Answers of the model to earlier questions, given as context in training examples (`context = "predicted"`).
//!
//! The model is evaluated once, before the first step of the phase. The answers are stored in the folder of the run. A
//! run that is resumed within the phase reads them, so that its training data stays the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;
use stepwise_curriculum::run_plan::StepPosition;
use stepwise_data::case::{Case, Item};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;
use stepwise_data::prompt::AnswerForm;
use stepwise_recipe::Recipe;
use stepwise_vlm::nn::parameter::Pass;

use crate::evaluation::epochs::EvalContext;
use crate::evaluation::error::BenchmarkError;
use crate::evaluation::evaluate::{AnswerStore, Evaluation, ModelUnderTest};

/// Suite with the unchanged question as the only condition.
const SUITE: &str = "name = \"own answers\"\nversion = 1\nseed = 0\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n";

/// Additional condition with blank images.
const BLANK: &str = "[[condition]]\nid = \"blank\"\nkind = \"blank\"\n";

/// Answers of the model by case and item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedAnswers {
    /// Digest of recipe, prompts and pixel pipeline.
    digest: String,
    /// Optimiser steps before the evaluation.
    step: u64,
    answers: BTreeMap<String, BTreeMap<String, String>>,
}

impl PredictedAnswers {
    /// Returns the answer of the model to an item. None if the item was not evaluated or the model gave no answer that
    /// can be shown as context.
    #[must_use]
    pub fn answer(&self, case_id: &str, item_id: &str) -> Option<&str> {
        self.answers.get(case_id)?.get(item_id).map(String::as_str)
    }

    /// Answers for a test, without digest and step.
    #[cfg(test)]
    pub(crate) fn of(answers: BTreeMap<String, BTreeMap<String, String>>) -> Self {
        Self { answers, ..Self::default() }
    }

    /// Returns the answers for the phase at `place`, before which `step` optimiser steps are done. `digest` identifies
    /// recipe, prompts and pixel pipeline. Reads the answers from `predicted/` in the run folder `run`, or evaluates
    /// the model now and writes them there. None if no example of the phase gets predicted answers as context.
    ///
    /// # Errors
    /// When the evaluation fails or is interrupted, when a file cannot be read or written, and when the phase has
    /// already started but its answers are missing.
    pub fn at(
        (recipe, digest): (&Recipe, &str),
        run: &Path,
        (place, step): (StepPosition, u64),
        eval_context: &mut EvalContext<'_>,
    ) -> Result<Option<Self>, BenchmarkError> {
        let phase = &recipe.curriculum.phase[place.phase];
        if phase.examples.context.predicted == 0.0 {
            return Ok(None);
        }
        let folder = run.join("predicted");
        let path = folder.join(format!("phase-{}.json", place.phase + 1));
        // Answers given before an interrupt stay in this file.
        let journal = folder.join(format!("phase-{}.part.jsonl", place.phase + 1));
        let failed = |error: std::io::Error| BenchmarkError::File { path: path.display().to_string(), error };
        if let Ok(json) = bounded::bytes(&path)
            && let Ok(kept) = serde_json::from_slice::<Self>(without_mark(&json))
            && (kept.digest.as_str(), kept.step) == (digest, step)
        {
            // A process that was killed after it wrote the answers has left the journal; its content is
            // no longer needed.
            if journal.is_file() {
                std::fs::remove_file(&journal).map_err(failed)?;
            }
            return Ok(Some(kept));
        }
        if place.phase_step > 0 {
            // The model was trained further and would answer differently now.
            return Err(BenchmarkError::Predicted { path: path.display().to_string(), phase: phase.name.clone() });
        }
        // Replayed questions get predicted answers as context too.
        let taught: BTreeSet<u8> =
            recipe.curriculum.phase[..=place.phase].iter().flat_map(|phase| phase.stages.iter().copied()).collect();
        let eval: Vec<Case> = eval_context.cases.train.iter().filter_map(|case| parents(case, &taught)).collect();
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let blank = phase.examples.blank_images;
        let suite = suite(recipe.train.answer_form, blank);
        let evaluation = Evaluation {
            name: &format!("own answers before {}", phase.name),
            model: ModelUnderTest {
                key: &format!("{digest}:{step}"),
                pipeline: eval_context.pipeline,
                pass: Pass::ANSWER,
            },
            surrogate: None,
            plan: &Plan::new(&suite, &eval),
            pictures: &eval_context.cases.pictures,
        };
        let answered =
            evaluation.ask(&mut AnswerStore::journal(&journal)?, eval_context.progress, eval_context.interrupt)?;
        let wanted = if blank { "blank" } else { "clean" };
        let outcomes: Vec<_> = answered.outcomes.into_iter().filter(|outcome| outcome.condition == wanted).collect();
        let mut answers: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for outcome in &outcomes {
            if let Some(words) = outcome.in_context() {
                answers.entry(outcome.case_id.clone()).or_default().insert(outcome.item_id.clone(), words);
            }
        }
        let right = outcomes.iter().filter(|outcome| outcome.is_right()).count();
        eval_context.progress.note(&format!(
            "before {}: the model answered {} earlier questions, {right} of them right",
            phase.name,
            outcomes.len()
        ));
        let predicted = Self { digest: digest.to_owned(), step, answers };
        let json = serde_json::to_vec(&predicted).map_err(|error| failed(error.into()))?;
        write_atomic(&path, &json).map_err(failed)?;
        std::fs::remove_file(&journal).map_err(failed)?;
        Ok(Some(predicted))
    }
}

/// Suite of the evaluation. In phases with blank images, the answers are those given to a blank image.
fn suite(answer_form: AnswerForm, blank: bool) -> Suite {
    let suite = Suite::parse(&format!("{SUITE}{}", if blank { BLANK } else { "" }), Path::new("own answers"));
    Suite { answer_form, ..suite.unwrap_or_else(|error| unreachable!("it is written above: {error}")) }
}

/// Reduces the case to the parents of the questions of the stages `taught`. None if there are no parents.
fn parents(case: &Case, taught: &BTreeSet<u8>) -> Option<Case> {
    let wanted: BTreeSet<&String> =
        case.chain.iter().filter(|item| taught.contains(&item.stage)).flat_map(|item| &item.parents).collect();
    let chain: Vec<Item> = case.chain.iter().filter(|item| wanted.contains(&item.id)).cloned().collect();
    (!chain.is_empty()).then(|| Case { chain, ..case.clone() })
}

#[cfg(test)]
mod tests {
    use stepwise_data::synth::{SynthOptions, record};

    use super::*;

    #[test]
    fn only_the_parents_of_trained_questions_are_asked() {
        let case = record(3, &SynthOptions::default());
        let asked = parents(&case, &BTreeSet::from([4])).expect("the last stage builds on others");
        for item in &asked.chain {
            assert!(case.chain.iter().any(|other| other.stage == 4 && other.parents.contains(&item.id)), "{}", item.id);
        }
        let first = parents(&case, &BTreeSet::from([1])).map_or(Vec::new(), |case| case.chain);
        assert!(first.iter().all(|item| item.stage == 1) && first.len() < asked.chain.len());
        assert_eq!([false, true].map(|blank| suite(AnswerForm::Letter, blank).conditions.len()), [1, 2]);
    }
}
