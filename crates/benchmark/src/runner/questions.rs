//! Questions of a plan one by one, for a model that is asked elsewhere: a black box that answers in text.

use std::sync::Arc;

use image::RgbImage;
use stepwise_data::prompt::Prompt;

use crate::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, Response, decoded};
use crate::outcome::Outcome;
use crate::perturb::{Attack, AttackTarget, Perturbed};
use crate::plan::{Plan, PlanEntry};
use crate::runner::judge::outcome;
use crate::runner::outcomes::Run;
use crate::runner::prepare::{ModelDigests, PendingQuery, prepare};
use crate::runner::recall::Said;
use crate::runner::unanswerable::{NO_GRADIENTS, NO_PICTURE, NO_RESPONSE};
use crate::score;

/// A question as it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Entry of the plan.
    pub entry: PlanEntry,
    /// Key of the outcome, see [`Outcome::key`].
    pub key: &'a str,
    /// Prompt with the options in the order of the condition, and with the earlier responses that it repeats.
    pub prompt: &'a Prompt,
    /// Changes that the condition makes to the item. An attack, if there is one, is noise and needs no gradients:
    /// [`noisy`] makes it.
    pub perturbed: &'a Perturbed,
}

/// Passes all questions of `plan` to `answer`, case by case and without images, and judges the responses that it
/// returns. Questions that repeat earlier responses follow when those are known. `model` enters the keys of the outcomes
/// like [`Options::model`](super::Options::model). A question is counted in [`Run::unanswerable`] where `answer` returns
/// None, and without being passed on where it repeats such a response or needs gradients or a surrogate.
///
/// # Errors
/// The first error of `answer`.
pub fn each_question<E>(
    plan: &Plan<'_>,
    model: &str,
    answer: &mut dyn FnMut(Question<'_>) -> Result<Option<String>, E>,
) -> Result<Run, E> {
    let mut run = Run::new(plan);
    for of_case in plan.entries.chunk_by(|a, b| a.case == b.case) {
        let mut said = Said::default();
        let (mut first, mut recalling) = (Vec::new(), Vec::new());
        for &entry in of_case {
            let Some(perturbed) = plan.perturbed(entry) else { continue };
            if perturbed.recall.is_some() { &mut recalling } else { &mut first }.push((entry, perturbed));
        }
        for (entry, perturbed) in first.into_iter().chain(recalling) {
            let waiting = match askable(plan, entry, perturbed, model, &said) {
                Ok(waiting) => waiting,
                Err(reason) => {
                    run.cannot_be_asked(entry, reason);
                    continue;
                }
            };
            let PendingQuery { key, asked, prompt, perturbed, .. } = waiting;
            let Some(reply) = answer(Question { entry, key: &key, prompt: &prompt, perturbed: &perturbed })? else {
                said.miss(plan, entry);
                run.cannot_be_asked(entry, NO_RESPONSE);
                continue;
            };
            let judged = outcome(plan, entry, &perturbed, &prompt, &Response::Text(reply));
            let judged = Outcome { key, asked, ..judged };
            said.hear(plan, entry, &judged);
            run.asked += 1;
            run.outcomes.push(judged);
        }
    }
    run.sort(plan);
    Ok(run)
}

/// Prepares a question. Returns the reason as the error where a black box cannot be asked it.
fn askable(
    plan: &Plan<'_>,
    entry: PlanEntry,
    perturbed: Perturbed,
    model: &str,
    said: &Said,
) -> Result<PendingQuery, &'static str> {
    let digests = ModelDigests { model, surrogate: None };
    let waiting = prepare(plan, entry, perturbed, digests, said)?;
    match &waiting.perturbed.attack {
        Some(attack) if attack.needs_gradients() => Err(NO_GRADIENTS),
        Some(_) if waiting.prompt.images.is_empty() => Err(NO_PICTURE),
        _ => Ok(waiting),
    }
}

/// Returns the images of `question` with the noise of its condition on the first one, in the size of the image and
/// rounded to 8 bits; `pictures`, the images before attacks, as they are without noise.
///
/// # Errors
/// When the attack of the condition needs gradients, which [`each_question`] never passes on.
pub fn noisy(
    plan: &Plan<'_>,
    question: Question<'_>,
    mut pictures: Vec<Arc<RgbImage>>,
) -> Result<Vec<Arc<RgbImage>>, ModelError> {
    let (Some(attack), Some(first)) = (&question.perturbed.attack, pictures.first_mut()) else { return Ok(pictures) };
    let (case, item) = plan.item(question.entry);
    let query = Query {
        case_id: case.case_id.clone(),
        item_id: item.id.clone(),
        condition: plan.condition(question.entry).id.clone(),
        conversation: question.prompt.conversation.clone(),
        images: decoded(vec![Arc::clone(first)]),
        ask: score::ask(question.prompt, plan.suite.scoring, plan.suite.max_new_tokens),
    };
    if let Some(shown) = with_noise(&**attack, plan, query, first)? {
        *first = Arc::new(shown);
    }
    Ok(pictures)
}

fn with_noise(
    attack: &dyn Attack,
    plan: &Plan<'_>,
    query: Query,
    picture: &RgbImage,
) -> Result<Option<RgbImage>, ModelError> {
    let objective = Objective::Nll { target: String::new() };
    let target = AttackTarget { query, objective, pixels: Arc::new(PixelGrid::of_image(picture)) };
    let made = attack.attack(&[target], plan.suite.rng(), &mut NoModel)?;
    Ok(made.first().and_then(|made| made.pixels.to_image()))
}

/// Gradient source of noise, which needs none.
struct NoModel;

impl Model for NoModel {
    fn has_gradients(&self) -> bool {
        false
    }

    fn reply(&mut self, _: &[Query]) -> Result<Vec<Response>, ModelError> {
        Err(ModelError::new("there is no model"))
    }

    fn pixels(&mut self, _: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(None)
    }

    fn pixel_gradients(&mut self, _: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        Err(ModelError::new("there is no model that gives gradients"))
    }
}
