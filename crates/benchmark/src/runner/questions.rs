//! Questions of a plan one by one, for a model that is asked elsewhere: a black box that answers in text.

use std::sync::Arc;

use image::RgbImage;
use stepwise_data::prompt::Prompt;

use crate::model::{Model, ModelError, Objective, PixelGradient, PixelGrid, Query, QueryImage, Response, decoded};
use crate::outcome::{AttackTrace, Outcome};
use crate::perturb::{Attack, GradientSource, Perturbed};
use crate::plan::{Plan, PlanEntry};
use crate::runner::attack::{AttackResult, attack};
use crate::runner::judge::outcome;
use crate::runner::options::Surrogate;
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
    /// Changes that the condition makes to the item. An attack, if there is one, is noise or made on a surrogate:
    /// [`attacked`] makes it.
    pub perturbed: &'a Perturbed,
}

/// Passes all questions of `plan` to `answer`, case by case and without images, and judges the responses that it
/// returns. Questions that repeat earlier responses follow when those are known. `model` and `surrogate` enter the keys of
/// the outcomes like [`Options::model`](super::Options::model) and [`Surrogate::key`]; without a surrogate, None, no
/// transferred attack is passed on. A question is counted in [`Run::unanswerable`] where `answer` returns None, and without
/// being passed on where it repeats such a response or needs gradients of the model.
///
/// # Errors
/// The first error of `answer`.
pub fn each_question<E>(
    plan: &Plan<'_>,
    model: &str,
    surrogate: Option<&str>,
    answer: &mut dyn FnMut(Question<'_>) -> Result<Option<String>, E>,
) -> Result<Run, E> {
    let digests = ModelDigests { model, surrogate };
    let mut run = Run::new(plan);
    for of_case in plan.entries.chunk_by(|a, b| a.case == b.case) {
        let mut said = Said::default();
        let (mut first, mut recalling) = (Vec::new(), Vec::new());
        for &entry in of_case {
            let Some(perturbed) = plan.perturbed(entry) else { continue };
            if perturbed.recall.is_some() { &mut recalling } else { &mut first }.push((entry, perturbed));
        }
        for (entry, perturbed) in first.into_iter().chain(recalling) {
            let waiting = match askable(plan, entry, perturbed, digests, &said) {
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
            let made_on = surrogate.filter(|_| perturbed.attack.is_some());
            let attack = made_on.map(|key| AttackTrace { made_on: Some(key.to_owned()), ..AttackTrace::default() });
            let judged = Outcome { key, asked, attack, ..judged };
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
    digests: ModelDigests<'_>,
    said: &Said,
) -> Result<PendingQuery, &'static str> {
    let waiting = prepare(plan, entry, perturbed, digests, said)?;
    let of_model = |attack: &dyn Attack| attack.needs_gradients() && attack.gradient_source() == GradientSource::Model;
    match &waiting.perturbed.attack {
        Some(attack) if of_model(&**attack) => Err(NO_GRADIENTS),
        Some(_) if waiting.prompt.images.is_empty() => Err(NO_PICTURE),
        _ => Ok(waiting),
    }
}

/// Returns the images of `question` with the attack of its condition on the first one, rounded to 8 bits; `pictures`, the
/// images before attacks, as they are without an attack. The attack is made on the pixels of `surrogate`, so the image has
/// the size in which the surrogate sees it; without a surrogate, None, noise is put on the image in its own size.
///
/// # Errors
/// [`ModelError::Failed`] when the attack cannot be made, because it needs gradients of the evaluated model or a surrogate
/// that is not given, when the surrogate fails, and when it divides the image into tiles; [`ModelError::Stopped`] when the
/// surrogate was asked to stop.
pub fn attacked(
    plan: &Plan<'_>,
    question: Question<'_>,
    mut pictures: Vec<Arc<RgbImage>>,
    surrogate: &mut Option<Surrogate<'_>>,
) -> Result<Vec<Arc<RgbImage>>, ModelError> {
    let (Some(_), Some(first)) = (&question.perturbed.attack, pictures.first_mut()) else { return Ok(pictures) };
    let (case, item) = plan.item(question.entry);
    let mut query = Query {
        case_id: case.case_id.clone(),
        item_id: item.id.clone(),
        condition: plan.condition(question.entry).id.clone(),
        conversation: question.prompt.conversation.clone(),
        images: decoded(vec![Arc::clone(first)]),
        ask: score::ask(question.prompt, plan.suite.scoring, plan.suite.max_new_tokens),
    };
    let asked = std::iter::once((question.perturbed, item, question.prompt));
    let made = attack(asked, std::slice::from_mut(&mut query), plan.suite.rng(), &mut BlackBox, surrogate)?;
    if let Some(AttackResult::OutOfReach(reason)) = made.first() {
        return Err(ModelError::new(*reason));
    }
    if let Some(QueryImage::Pixels(pixels)) = query.images.first() {
        let shown = pixels
            .to_image()
            .ok_or_else(|| ModelError::new("the surrogate divides the image into tiles, which no request can show"))?;
        *first = Arc::new(shown);
    }
    Ok(pictures)
}

/// The evaluated model while an attack is made: it is elsewhere, and its pixel pipeline is not known.
struct BlackBox;

impl Model for BlackBox {
    fn has_gradients(&self) -> bool {
        false
    }

    fn reply(&mut self, _: &[Query]) -> Result<Vec<Response>, ModelError> {
        Err(ModelError::new("the model is asked elsewhere"))
    }

    fn pixels(&mut self, query: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(match query.images.first() {
            Some(QueryImage::Image(shown)) => Some(PixelGrid::of_image(shown)),
            _ => None,
        })
    }

    fn pixel_gradients(&mut self, _: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        Err(ModelError::new("a model elsewhere gives no pixel gradients"))
    }
}
