//! Makes the attacks of a batch. Each attack runs once over all of its queries, so that gradients are
//! computed in batches.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use image::RgbImage;
use stepwise_data::case::{Answer, Item};
use stepwise_data::prompt::Prompt;

use crate::model::{Model, ModelError, Objective, OptionLikelihood, PixelGrid, Query, QueryImage, Response};
use crate::outcome::AttackTrace;
use crate::perturb::{Attack, AttackGoal, AttackTarget, GradientSource, Perturbed};
use crate::rng::SuiteRng;
use crate::runner::options::Surrogate;
use crate::runner::unanswerable::{NO_GRADIENTS, NO_PICTURE, NO_SURROGATE};

/// Attack that was made on one query, kept until the query is answered.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    objective: Objective,
    attack_goal: AttackGoal,
    losses: Vec<f64>,
    /// Key of the surrogate that gave pixels or gradients; None where the evaluated model gave them.
    made_on: Option<String>,
}

/// Result of the attack step for one query.
pub(crate) enum AttackResult {
    /// The query has no attack.
    Spared,
    /// The attack cannot be made, for this reason.
    OutOfReach(&'static str),
    /// The query shows attacked pixels.
    Attacked(Made),
}

/// Queries of a batch that share one attack.
struct Group {
    attack: Arc<dyn Attack>,
    source: GradientSource,
    numbers: Vec<usize>,
    targets: Vec<AttackTarget>,
}

/// Makes the attacks of a batch: replaces the first image of every attacked query by attacked pixels, in place, and
/// returns one result per query, in order. `asked` gives perturbation, item and prompt of each query. A query is
/// [`AttackResult::OutOfReach`], and stays as it is, without an image, without a surrogate for a transfer attack, or
/// where the gradient source gives no pixel grid.
///
/// # Errors
/// When the gradient source cannot make a pixel grid, fails, or returns gradients of the wrong number or shape. Some
/// queries may then be changed already.
///
/// # Panics
/// When `asked` has more elements than `queries`.
pub(crate) fn attack<'a>(
    asked: impl Iterator<Item = (&'a Perturbed, &'a Item, &'a Prompt)>,
    queries: &mut [Query],
    rng: SuiteRng,
    model: &mut dyn Model,
    surrogate: &mut Option<Surrogate<'_>>,
) -> Result<Vec<AttackResult>, ModelError> {
    let mut fates = Vec::with_capacity(queries.len());
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut grids: HashMap<(GradientSource, *const RgbImage), Option<Arc<PixelGrid>>> = HashMap::new();
    for (number, (perturbed, item, prompt)) in asked.enumerate() {
        let Some(attack) = &perturbed.attack else {
            fates.push(AttackResult::Spared);
            continue;
        };
        let query = &queries[number];
        let source = source(&**attack, model, surrogate.is_some());
        let grid = match (query.images.first(), who(source, model, surrogate)) {
            (_, Some(gradient_source)) if attack.needs_gradients() && !gradient_source.has_gradients() => {
                Err(NO_GRADIENTS)
            }
            (Some(QueryImage::Image(picture)), Some(gradient_source)) => {
                // The pixels depend on the image only, and all items of a case share the image.
                let grid = match grids.entry((source, Arc::as_ptr(picture))) {
                    Slot::Occupied(known) => known.get().clone(),
                    Slot::Vacant(slot) => slot.insert(gradient_source.pixels(query)?.map(Arc::new)).clone(),
                };
                grid.ok_or(NO_GRADIENTS)
            }
            (_, None) => Err(NO_SURROGATE),
            _ => Err(NO_PICTURE),
        };
        let pixels = match grid {
            Ok(pixels) => pixels,
            Err(reason) => {
                fates.push(AttackResult::OutOfReach(reason));
                continue;
            }
        };
        let attack_goal = attack.attack_goal();
        let objective = objective(attack_goal, perturbed, item, prompt);
        let target = AttackTarget { query: query.clone(), objective: objective.clone(), pixels };
        let made_on = surrogate.as_ref().filter(|_| source == GradientSource::Surrogate).map(|of| of.key.to_owned());
        fates.push(AttackResult::Attacked(Made { objective, attack_goal, losses: Vec::new(), made_on }));
        let empty = || Group { attack: Arc::clone(attack), source, numbers: Vec::new(), targets: Vec::new() };
        let group = groups.entry(attack.key()).or_insert_with(empty);
        group.numbers.push(number);
        group.targets.push(target);
    }
    for group in groups.into_values() {
        let Some(gradient_source) = who(group.source, model, surrogate) else { continue };
        let attacked = group.attack.attack(&group.targets, rng, gradient_source)?;
        for (number, attacked) in group.numbers.into_iter().zip(attacked) {
            if let (Some(first), AttackResult::Attacked(made)) =
                (queries[number].images.first_mut(), &mut fates[number])
            {
                *first = QueryImage::Pixels(Arc::new(attacked.pixels));
                made.losses = attacked.losses;
            }
        }
    }
    Ok(fates)
}

/// Returns which model gives the pixels of `attack`. The pixel pipeline of a model without gradients is not known, so
/// noise on its images is made on the pixels of the surrogate, where there is one, like transferred attacks.
fn source(attack: &dyn Attack, model: &dyn Model, has_surrogate: bool) -> GradientSource {
    let is_noise = !attack.needs_gradients();
    if is_noise && has_surrogate && !model.has_gradients() {
        return GradientSource::Surrogate;
    }
    attack.gradient_source()
}

fn who<'v>(
    gradient_source: GradientSource,
    model: &'v mut dyn Model,
    surrogate: &'v mut Option<Surrogate<'_>>,
) -> Option<&'v mut dyn Model> {
    match (gradient_source, surrogate) {
        (GradientSource::Model, _) => Some(model),
        (GradientSource::Surrogate, Some(surrogate)) => Some(&mut *surrogate.model),
        (GradientSource::Surrogate, None) => None,
    }
}

/// Objective of an attack. A targeted attack uses the negative log-likelihood of the named answer as shown. Any other
/// attack uses the margin where exactly one option is right, else the negative log-likelihood of the right answer.
fn objective(attack_goal: AttackGoal, perturbed: &Perturbed, item: &Item, prompt: &Prompt) -> Objective {
    let place = |stored: usize| prompt.stored.iter().position(|index| *index == stored);
    if let (AttackGoal::ToNamed, Some(named)) = (attack_goal, &perturbed.named) {
        let shown = named.index.and_then(place).map(|place| prompt.options[place].clone());
        return Objective::Nll { target: shown.unwrap_or_else(|| named.text.clone()) };
    }
    let only = match &item.answer {
        Answer::Choice { gold, .. } if gold.len() == 1 => Some(gold[0]),
        Answer::Yesno { gold, .. } => Some(usize::from(!gold)),
        _ => None,
    };
    match only.and_then(place) {
        Some(gold) => Objective::Margin { options: prompt.options.clone(), gold },
        None => Objective::Nll { target: prompt.answer.clone() },
    }
}

impl Made {
    /// Returns the trace of the attack: the losses along its steps and the value reached under the response `reply` to
    /// the attacked query. Numbers that are not finite become None; so does the reached value for a generated text and
    /// for a target that is no option.
    pub(crate) fn trace(self, prompt: &Prompt, reply: &Response) -> AttackTrace {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let reached = match reply {
            Response::Options(scores) => {
                raised(&self.objective, self.attack_goal, &prompt.options, scores).and_then(finite)
            }
            Response::Text(_) | Response::Missing => None,
        };
        AttackTrace { losses: self.losses.into_iter().map(finite).collect(), reached, made_on: self.made_on }
    }
}

/// Computes the value that an attack raises from the scores of the options shown. `None` where the target is
/// not an option.
fn raised(
    objective: &Objective,
    attack_goal: AttackGoal,
    options: &[String],
    scores: &[OptionLikelihood],
) -> Option<f64> {
    match objective {
        Objective::Margin { gold, .. } => {
            let others = scores.iter().enumerate().filter(|(place, _)| place != gold);
            let rival = others.map(|(_, score)| score.loglikelihood).max_by(f64::total_cmp)?;
            Some(rival - scores.get(*gold)?.loglikelihood)
        }
        Objective::Nll { target } => {
            let score = scores.get(options.iter().position(|option| option == target)?)?.loglikelihood;
            Some(match attack_goal {
                AttackGoal::FromGold => -score,
                AttackGoal::ToNamed => score,
            })
        }
    }
}
