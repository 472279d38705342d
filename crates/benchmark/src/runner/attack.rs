//! Makes the attacks of a batch: each attack once for all the probes it is made on, so that gradients come in batches.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use image::RgbImage;
use stepwise_data::case::{Answer, Item};
use stepwise_data::prompt::Prompt;

use crate::model::{Objective, OptionScore, PixelGrid, Probe, Reply, Respondent, RespondentError, Shown};
use crate::outcome::AttackTrace;
use crate::perturb::{Attack, Draws, Goal, Perturbed, Target, Victim};
use crate::runner::{NO_GRADIENTS, NO_PICTURE, NO_SURROGATE, Surrogate};

/// What is known of one probe's attack before it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    objective: Objective,
    goal: Goal,
    losses: Vec<f64>,
}

/// What became of one probe.
pub(crate) enum Fate {
    /// It is not attacked.
    Spared,
    /// It cannot be, for this reason.
    OutOfReach(&'static str),
    /// It shows attacked pixels.
    Attacked(Made),
}

/// The probes of one batch that one attack is made on.
struct Group {
    attack: Arc<dyn Attack>,
    numbers: Vec<usize>,
    targets: Vec<Target>,
}

/// Replaces the first picture of every attacked probe by attacked pixels. `asked` gives, for each probe, how it is
/// perturbed, its item and its prompt. Without a surrogate, attacks on it reach nothing.
pub(crate) fn attack<'a>(
    asked: impl Iterator<Item = (&'a Perturbed, &'a Item, &'a Prompt)>,
    probes: &mut [Probe],
    draws: Draws,
    respondent: &mut dyn Respondent,
    surrogate: &mut Option<Surrogate<'_>>,
) -> Result<Vec<Fate>, RespondentError> {
    let mut fates = Vec::with_capacity(probes.len());
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut grids: HashMap<(Victim, *const RgbImage), Option<Arc<PixelGrid>>> = HashMap::new();
    for (number, (perturbed, item, prompt)) in asked.enumerate() {
        let Some(attack) = &perturbed.attack else {
            fates.push(Fate::Spared);
            continue;
        };
        let probe = &probes[number];
        let grid = match (probe.images.first(), who(attack.victim(), respondent, surrogate)) {
            (Some(Shown::Picture(picture)), Some(victim)) => {
                // Pixels depend on the picture alone, which all items of a case share.
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
        let target = Target { probe: probe.clone(), objective: objective.clone(), pixels };
        fates.push(Fate::Attacked(Made { objective, goal, losses: Vec::new() }));
        let empty = || Group { attack: Arc::clone(attack), numbers: Vec::new(), targets: Vec::new() };
        let group = groups.entry(attack.key()).or_insert_with(empty);
        group.numbers.push(number);
        group.targets.push(target);
    }
    for group in groups.into_values() {
        let Some(victim) = who(group.attack.victim(), respondent, surrogate) else { continue };
        let attacked = group.attack.attack(&group.targets, draws, victim)?;
        for (number, attacked) in group.numbers.into_iter().zip(attacked) {
            if let (Some(first), Fate::Attacked(made)) = (probes[number].images.first_mut(), &mut fates[number]) {
                *first = Shown::Pixels(Arc::new(attacked.pixels));
                made.losses = attacked.losses;
            }
        }
    }
    Ok(fates)
}

fn who<'v>(
    victim: Victim,
    respondent: &'v mut dyn Respondent,
    surrogate: &'v mut Option<Surrogate<'_>>,
) -> Option<&'v mut dyn Respondent> {
    match (victim, surrogate) {
        (Victim::Respondent, _) => Some(respondent),
        (Victim::Surrogate, Some(surrogate)) => Some(&mut *surrogate.respondent),
        (Victim::Surrogate, None) => None,
    }
}

/// Away from the right answer: the margin where one option is right, else the likelihood of the right words. To a named
/// answer: the likelihood of its words as they are shown.
fn objective(goal: Goal, perturbed: &Perturbed, item: &Item, prompt: &Prompt) -> Objective {
    let place = |stored: usize| prompt.stored.iter().position(|index| *index == stored);
    if let (Goal::ToNamed, Some(named)) = (goal, &perturbed.named) {
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
    /// The trace, once the attacked probe is answered.
    pub(crate) fn trace(self, prompt: &Prompt, reply: &Reply) -> AttackTrace {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let reached = match reply {
            Reply::Options(scores) => raised(&self.objective, self.goal, &prompt.options, scores).and_then(finite),
            Reply::Text(_) => None,
        };
        AttackTrace { losses: self.losses.into_iter().map(finite).collect(), reached }
    }
}

/// What an attack raises, from the likelihoods of the options shown.
fn raised(objective: &Objective, goal: Goal, options: &[String], scores: &[OptionScore]) -> Option<f64> {
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
                Goal::FromGold => -rate(score),
                Goal::ToNamed => rate(score),
            })
        }
    }
}
