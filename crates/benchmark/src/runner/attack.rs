//! Makes the attacks of a batch. Each attack runs once over all of its queries, so that gradients are
//! computed in batches.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use image::RgbImage;
use stepwise_data::case::{Answer, Item};
use stepwise_data::prompt::Prompt;

use crate::model::{Model, ModelError, Objective, OptionScore, PixelGrid, Query, Response, Shown};
use crate::outcome::AttackTrace;
use crate::perturb::{Attack, AttackGoal, AttackTarget, GradientSource, Perturbed, SuiteRng};
use crate::runner::{NO_GRADIENTS, NO_PICTURE, NO_SURROGATE, Surrogate};

/// Attack on one query, before the query is answered.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    objective: Objective,
    goal: AttackGoal,
    losses: Vec<f64>,
}

/// Result of the attack step for one query.
pub(crate) enum Fate {
    /// The query has no attack.
    Spared,
    /// The attack cannot be made, for this reason.
    OutOfReach(&'static str),
    /// The query shows attacked pixels.
    AdversarialImage(Made),
}

/// Queries of a batch that share one attack.
struct Group {
    attack: Arc<dyn Attack>,
    numbers: Vec<usize>,
    targets: Vec<AttackTarget>,
}

/// Replaces the first image of every attacked query by attacked pixels. `asked` gives perturbation, item and prompt of
/// each query. Without a surrogate, queries with a transfer attack are [`Fate::OutOfReach`].
pub(crate) fn attack<'a>(
    asked: impl Iterator<Item = (&'a Perturbed, &'a Item, &'a Prompt)>,
    probes: &mut [Query],
    draws: SuiteRng,
    respondent: &mut dyn Model,
    surrogate: &mut Option<Surrogate<'_>>,
) -> Result<Vec<Fate>, ModelError> {
    let mut fates = Vec::with_capacity(probes.len());
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut grids: HashMap<(GradientSource, *const RgbImage), Option<Arc<PixelGrid>>> = HashMap::new();
    for (number, (perturbed, item, prompt)) in asked.enumerate() {
        let Some(attack) = &perturbed.attack else {
            fates.push(Fate::Spared);
            continue;
        };
        let probe = &probes[number];
        let grid = match (probe.images.first(), who(attack.victim(), respondent, surrogate)) {
            (Some(Shown::Picture(picture)), Some(victim)) => {
                // The pixels depend on the image only, and all items of a case share the image.
                let grid = match grids.entry((attack.victim(), Arc::as_ptr(picture))) {
                    Slot::Occupied(known) => known.get().clone(),
                    Slot::Vacant(slot) => slot.insert(victim.pixels(probe)?.map(Arc::new)).clone(),
                };
                grid.ok_or(NO_GRADIENTS)
            }
            (_, None) => Err(NO_SURROGATE),
            _ => Err(NO_PICTURE),
        };
        let pixels = match grid {
            Ok(pixels) => pixels,
            Err(reason) => {
                fates.push(Fate::OutOfReach(reason));
                continue;
            }
        };
        let goal = attack.goal();
        let objective = objective(goal, perturbed, item, prompt);
        let target = AttackTarget { probe: probe.clone(), objective: objective.clone(), pixels };
        fates.push(Fate::AdversarialImage(Made { objective, goal, losses: Vec::new() }));
        let empty = || Group { attack: Arc::clone(attack), numbers: Vec::new(), targets: Vec::new() };
        let group = groups.entry(attack.key()).or_insert_with(empty);
        group.numbers.push(number);
        group.targets.push(target);
    }
    for group in groups.into_values() {
        let Some(victim) = who(group.attack.victim(), respondent, surrogate) else { continue };
        let attacked = group.attack.attack(&group.targets, draws, victim)?;
        for (number, attacked) in group.numbers.into_iter().zip(attacked) {
            if let (Some(first), Fate::AdversarialImage(made)) = (probes[number].images.first_mut(), &mut fates[number])
            {
                *first = Shown::Pixels(Arc::new(attacked.pixels));
                made.losses = attacked.losses;
            }
        }
    }
    Ok(fates)
}

fn who<'v>(
    victim: GradientSource,
    respondent: &'v mut dyn Model,
    surrogate: &'v mut Option<Surrogate<'_>>,
) -> Option<&'v mut dyn Model> {
    match (victim, surrogate) {
        (GradientSource::Model, _) => Some(respondent),
        (GradientSource::Surrogate, Some(surrogate)) => Some(&mut *surrogate.respondent),
        (GradientSource::Surrogate, None) => None,
    }
}

/// Objective of an attack. A targeted attack uses the negative log-likelihood of the named answer as shown. Any other
/// attack uses the margin where exactly one option is right, else the negative log-likelihood of the right answer.
fn objective(goal: AttackGoal, perturbed: &Perturbed, item: &Item, prompt: &Prompt) -> Objective {
    let place = |stored: usize| prompt.stored.iter().position(|index| *index == stored);
    if let (AttackGoal::ToNamed, Some(named)) = (goal, &perturbed.named) {
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
    /// Returns the trace of the attack; `reply` answers the attacked query.
    pub(crate) fn trace(self, prompt: &Prompt, reply: &Response) -> AttackTrace {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let reached = match reply {
            Response::Options(scores) => raised(&self.objective, self.goal, &prompt.options, scores).and_then(finite),
            Response::Text(_) => None,
        };
        AttackTrace { losses: self.losses.into_iter().map(finite).collect(), reached }
    }
}

/// Computes the value that an attack raises from the scores of the options shown. `None` where the target is
/// not an option.
fn raised(objective: &Objective, goal: AttackGoal, options: &[String], scores: &[OptionScore]) -> Option<f64> {
    let rate = |score: &OptionScore| score.loglikelihood / score.tokens as f64;
    match objective {
        Objective::Margin { gold, .. } => {
            let others = scores.iter().enumerate().filter(|(place, _)| place != gold);
            let rival = others.map(|(_, score)| rate(score)).max_by(f64::total_cmp)?;
            Some(rival - rate(scores.get(*gold)?))
        }
        Objective::Nll { target } => {
            let score = scores.get(options.iter().position(|option| option == target)?)?;
            Some(match goal {
                AttackGoal::FromGold => -rate(score),
                AttackGoal::ToNamed => rate(score),
            })
        }
    }
}
