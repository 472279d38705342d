//! Prompts as a model is asked them, without a model.

use stepwise_data::prompt::{Prompt, PromptOptions, prompt};

use crate::perturb::Perturbed;
use crate::plan::{Plan, PlanEntry};
use crate::runner::recall::recalled;

/// Builds the prompt of `entry` under the changes in `perturbed`, with the options in the order of the condition. Where
/// the prompt repeats an earlier answer of the model, it contains `earlier` in its place. With
/// [`Scoring::Letter`](crate::score::Scoring::Letter), it is the first of several orders of the options.
///
/// # Panics
/// When the plan's pool has no such case or item.
#[must_use]
pub fn shown_prompt(plan: &Plan<'_>, entry: PlanEntry, perturbed: &Perturbed, earlier: &str) -> Prompt {
    let question = plan.item(entry);
    let frame = PromptOptions { answer_form: plan.suite.form(), ..perturbed.frame.clone() };
    let answer = || Some(earlier.to_owned());
    let recall = perturbed.recall.as_ref();
    let repeated = recall.and_then(|recall| recalled(question, frame.clone(), recall, |_| answer(), |_| answer()));
    repeated.unwrap_or_else(|| prompt(question.0, question.1, &frame))
}
