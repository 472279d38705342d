//! What the respondent said to clean questions of a case, put where a condition shows it again.

use std::collections::HashMap;

use stepwise_data::case::{Case, Item};
use stepwise_data::prompt::{Frame, Prompt, prompt};

use crate::outcome::Outcome;
use crate::perturb::Recall;
use crate::plan::{Entry, Plan};

/// The reason under which items are counted whose earlier reply cannot be shown again.
pub const NO_REPLY: &str = "the respondent gave no reply that could be shown again";

/// Clean outcomes, by case and item.
#[derive(Debug, Default)]
pub struct Said {
    outcomes: HashMap<(usize, usize), Outcome>,
}

impl Said {
    /// Keeps the outcome of a clean question; others are no one's to repeat.
    pub fn hear(&mut self, plan: &Plan<'_>, entry: Entry, outcome: &Outcome) {
        if plan.condition(entry).kind == "clean" {
            self.outcomes.insert((entry.case, entry.item), outcome.clone());
        }
    }

    /// The prompt of `item` in `frame`, with what `recall` wants shown again.
    ///
    /// # Errors
    /// [`NO_REPLY`] where there is nothing to show.
    pub fn prompt(
        &self,
        case: &Case,
        item: &Item,
        entry: Entry,
        mut frame: Frame,
        recall: &Recall,
    ) -> Result<Prompt, &'static str> {
        match recall {
            Recall::Context(answers) => {
                for &(place, parent) in answers {
                    frame.context[place].answer = self.answer(entry.case, parent).ok_or(NO_REPLY)?;
                }
                Ok(prompt(case, item, &frame))
            }
            Recall::Rebuttal(text) => {
                let first = prompt(case, item, &frame);
                let reply = self.reply(entry, &first).ok_or(NO_REPLY)?;
                Ok(first.once_more(item, frame.answer_form, &reply, text))
            }
        }
    }

    fn answer(&self, case: usize, item: usize) -> Option<String> {
        self.outcomes.get(&(case, item))?.in_context()
    }

    /// The reply as it was given: the generated words, or the option preferred among those `first` shows.
    fn reply(&self, entry: Entry, first: &Prompt) -> Option<String> {
        let outcome = self.outcomes.get(&(entry.case, entry.item))?;
        // By its stored index: `first` may show the options in another order than the one answered.
        let chosen = || {
            let place = first.stored.iter().position(|stored| Some(*stored) == outcome.index)?;
            first.options.get(place).cloned()
        };
        let words = outcome.reply.as_ref().map(|reply| reply.trim().to_owned()).or_else(chosen);
        words.filter(|words| !words.is_empty())
    }
}
