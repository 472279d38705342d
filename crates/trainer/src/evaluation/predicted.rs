//! What the model itself answered when a phase began, for lessons that are told it (`context = "predicted"`).
//!
//! The answers are asked once, of the model as it is before the phase's first step, and kept beside the run: a run that is
//! resumed within the phase reads them, and teaches what it would have taught.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use stepwise_benchmark::suite::Suite;
use stepwise_curriculum::run_plan::Place;
use stepwise_data::case::{Case, Item};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::prompt::AnswerForm;
use stepwise_recipe::Recipe;
use stepwise_vlm::nn::parameter::Pass;

use crate::cases::Cases;
use crate::evaluation::epochs::{BenchmarkError, Exam};
use crate::evaluation::evaluate::{Asking, Memory, Model};

/// The question as it is stored, and nothing else.
const SUITE: &str = "name = \"own answers\"\nversion = 1\nseed = 0\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n";

/// And without a picture to look at.
const BLANK: &str = "[[condition]]\nid = \"blank\"\nkind = \"blank\"\n";

/// Answers by case and item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicted {
    /// Of recipe, prompts and pixels.
    digest: String,
    /// Optimiser steps done when they were asked.
    step: u64,
    answers: BTreeMap<String, BTreeMap<String, String>>,
}

impl Predicted {
    /// The answer to an item; none where it was not asked, or nothing was said.
    #[must_use]
    pub fn answer(&self, case_id: &str, item_id: &str) -> Option<&str> {
        self.answers.get(case_id)?.get(item_id).map(String::as_str)
    }

    /// These answers, of nobody.
    #[cfg(test)]
    pub(crate) fn of(answers: BTreeMap<String, BTreeMap<String, String>>) -> Self {
        Self { answers, ..Self::default() }
    }

    /// The answers for the phase at `place`, whose first step is the next one after `step`: those kept below `run`, or asked
    /// now. None where the phase tells nobody what the model answered.
    ///
    /// # Errors
    /// When a question cannot be asked, or its answer not kept, and when it is interrupted.
    pub fn at(
        (recipe, digest): (&Recipe, &str),
        run: &Path,
        (place, step): (Place, u64),
        exam: &mut Exam<'_>,
    ) -> Result<Option<Self>, BenchmarkError> {
        let phase = &recipe.curriculum.phase[place.phase];
        if phase.lesson.context.predicted == 0.0 {
            return Ok(None);
        }
        let folder = run.join("predicted");
        let path = folder.join(format!("phase-{}.json", place.phase + 1));
        // An interrupt keeps what was answered until then.
        let journal = folder.join(format!("phase-{}.part.jsonl", place.phase + 1));
        let failed = |error: std::io::Error| BenchmarkError::File { path: path.display().to_string(), error };
        if let Ok(json) = std::fs::read(&path)
            && let Ok(kept) = serde_json::from_slice::<Self>(&json)
            && (kept.digest.as_str(), kept.step) == (digest, step)
        {
            // Everything it held is in its place; a process that was killed in between has left it.
            if journal.is_file() {
                std::fs::remove_file(&journal).map_err(failed)?;
            }
            return Ok(Some(kept));
        }
        if place.phase_step > 0 {
            // The model has learned since, and would answer otherwise.
            return Err(BenchmarkError::Predicted { path: path.display().to_string(), phase: phase.name.clone() });
        }
        // Replayed questions are told what the model answers as well.
        let taught: BTreeSet<u8> =
            recipe.curriculum.phase[..=place.phase].iter().flat_map(|phase| phase.stages.iter().copied()).collect();
        let eval: Vec<Case> = exam.cases.train.iter().filter_map(|case| parents(case, &taught)).collect();
        let asked = Cases { train: Vec::new(), eval, pictures: exam.cases.pictures.clone() };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let blank = phase.lesson.blank_images;
        let asking = Asking {
            name: &format!("own answers before {}", phase.name),
            model: Model { key: &format!("{digest}:{step}"), reader: exam.reader, pass: Pass::ANSWER },
            surrogate: None,
            suite: &suite(recipe.train.answer_form, blank),
            cases: &asked,
        };
        let answered = asking.ask(&mut Memory::journal(&journal)?, exam.progress, exam.interrupt)?;
        let wanted = if blank { "blank" } else { "clean" };
        let outcomes: Vec<_> = answered.outcomes.into_iter().filter(|outcome| outcome.condition == wanted).collect();
        let mut answers: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for outcome in &outcomes {
            if let Some(words) = outcome.in_context() {
                answers.entry(outcome.case_id.clone()).or_default().insert(outcome.item_id.clone(), words);
            }
        }
        let right = outcomes.iter().filter(|outcome| outcome.is_right()).count();
        exam.progress.note(&format!(
            "before {}: the model's own answers to {} earlier questions, {right} of them right",
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

/// Lessons whose pictures are blank are told what the model answered to a blank one.
fn suite(answer_form: AnswerForm, blank: bool) -> Suite {
    let suite = Suite::parse(&format!("{SUITE}{}", if blank { BLANK } else { "" }), Path::new("own answers"));
    Suite { answer_form, ..suite.unwrap_or_else(|error| unreachable!("it is written above: {error}")) }
}

/// The case with no questions but those that questions of the stages `taught` build on; none where there are none.
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
    fn what_taught_questions_build_on_is_asked_and_nothing_else() {
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
