//! The model's answers to the clean questions of a case, for conditions that show them again.

use std::collections::{HashMap, HashSet};

use stepwise_data::case::{Case, Item};
use stepwise_data::prompt::{Prompt, PromptOptions, prompt};

use crate::outcome::Outcome;
use crate::perturb::Recall;
use crate::plan::{Plan, PlanEntry};
use crate::runner::unanswerable::{NO_REPLY, NO_RESPONSE};

/// The model's clean outcomes by index of the case and index of the item, for conditions that show earlier answers.
#[derive(Debug, Default)]
pub struct Said {
    outcomes: HashMap<(usize, usize), Outcome>,
    missing: HashSet<(usize, usize)>,
}

impl Said {
    /// Stores the outcome of a clean question in place of an earlier one. Outcomes of other conditions are ignored.
    pub fn hear(&mut self, plan: &Plan<'_>, entry: PlanEntry, outcome: &Outcome) {
        if plan.condition(entry).kind == "clean" {
            self.outcomes.insert((entry.case, entry.item), outcome.clone());
        }
    }

    /// Notes that the clean question of `entry` has no response. Entries of other conditions are ignored.
    pub fn miss(&mut self, plan: &Plan<'_>, entry: PlanEntry) {
        if plan.condition(entry).kind == "clean" {
            self.missing.insert((entry.case, entry.item));
        }
    }

    /// Builds the prompt of `item` in `frame` with the earlier answers that `recall` names. `entry` identifies the case
    /// and, for a rebuttal, the item whose own answer is shown.
    ///
    /// # Errors
    /// [`NO_RESPONSE`] when an earlier response is missing ([`Said::miss`]), else [`NO_REPLY`] when an earlier answer is
    /// unknown or empty.
    ///
    /// # Panics
    /// When `recall` names an answer that the context of `frame` lacks.
    pub fn prompt(
        &self,
        case: &Case,
        item: &Item,
        entry: PlanEntry,
        frame: PromptOptions,
        recall: &Recall,
    ) -> Result<Prompt, &'static str> {
        if recall.items(entry.item).iter().any(|item| self.missing.contains(&(entry.case, *item))) {
            return Err(NO_RESPONSE);
        }
        let answer = |parent| self.answer(entry.case, parent);
        recalled((case, item), frame, recall, answer, |first| self.reply(entry, first)).ok_or(NO_REPLY)
    }

    fn answer(&self, case: usize, item: usize) -> Option<String> {
        self.outcomes.get(&(case, item))?.in_context()
    }

    /// Returns the earlier response as text: the generated text, or the chosen option as `first` shows it.
    fn reply(&self, entry: PlanEntry, first: &Prompt) -> Option<String> {
        let outcome = self.outcomes.get(&(entry.case, entry.item))?;
        // Found by stored index, because `first` may show the options in another order than the answered prompt.
        let chosen = || {
            let place = first.stored.iter().position(|stored| Some(*stored) == outcome.index)?;
            first.options.get(place).cloned()
        };
        let words = outcome.reply.as_ref().map(|reply| reply.trim().to_owned()).or_else(chosen);
        words.filter(|words| !words.is_empty())
    }
}

/// Builds the prompt of `question`, a case and its item, in `frame` with the earlier answers that `recall` names.
/// `answer` returns the earlier answer to the item with an index in the chain, and `reply` the earlier response to the
/// prompt it is given. None where one of them is missing.
///
/// # Panics
/// When `recall` names an answer that the context of `frame` lacks.
pub(super) fn recalled(
    (case, item): (&Case, &Item),
    mut frame: PromptOptions,
    recall: &Recall,
    answer: impl Fn(usize) -> Option<String>,
    reply: impl Fn(&Prompt) -> Option<String>,
) -> Option<Prompt> {
    match recall {
        Recall::Context(answers) => {
            for &(place, parent) in answers {
                frame.context[place].answer = answer(parent)?;
            }
            Some(prompt(case, item, &frame))
        }
        Recall::Rebuttal(text) => {
            let first = prompt(case, item, &frame);
            let reply = reply(&first)?;
            Some(first.once_more(case, item, frame.answer_form, &reply, text))
        }
    }
}
