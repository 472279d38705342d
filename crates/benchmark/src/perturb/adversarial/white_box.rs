//! Shared parts of the gradient attacks: the items they apply to, the unit of their size, and the gradients of many
//! queries at once.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use stepwise_data::case::Answer;

use crate::model::{Model, ModelError, PixelGradient, PixelGrid, Query, QueryImage};
use crate::perturb::support::wrong_answer::wrong_answer;
use crate::perturb::{Attack, AttackGoal, AttackTarget, Perturbed, Scene, Skip};

/// Returns the change that leaves the stored question as it is and puts `attack` on its image. For a targeted attack it
/// also names the wrong answer that `hint_minus` names.
///
/// # Errors
/// Skips box answers, because many other boxes are as right as the stored one. A targeted attack also skips an item
/// without a wrong answer.
pub fn attacked(scene: &Scene<'_>, attack: Arc<dyn Attack>) -> Result<Perturbed, Skip> {
    if matches!(scene.item.answer, Answer::Box { .. }) {
        return Err(Skip("the likelihood of one box does not say what is right"));
    }
    let named = match attack.attack_goal() {
        AttackGoal::FromGold => None,
        AttackGoal::ToNamed => Some(wrong_answer(scene)?),
    };
    Ok(Perturbed { named, attack: Some(attack), ..Perturbed::default() })
}

/// Computes, for each target in order, the loss that the attack raises and its pixel gradient, in one call of the
/// gradient source. Both are negated for the goal [`AttackGoal::ToNamed`], whose objective is lowered. `pixels` must
/// have one entry per target, which the query shows instead of its first image.
///
/// # Errors
/// When the gradient source fails, or when it returns another number of gradients than there are targets, or gradients
/// of another shape than `pixels`.
pub fn ascents(
    attack_goal: AttackGoal,
    targets: &[AttackTarget],
    pixels: &[Arc<PixelGrid>],
    gradient_source: &mut dyn Model,
) -> Result<Vec<PixelGradient>, ModelError> {
    let asked: Vec<_> = targets
        .iter()
        .zip(pixels)
        .map(|(target, pixels)| (showing(&target.query, Arc::clone(pixels)), target.objective.clone()))
        .collect();
    let mut gradients = gradient_source.pixel_gradients(&asked)?;
    if gradients.len() != targets.len() {
        return Err(ModelError::new(format!("{} gradients for {} queries", gradients.len(), targets.len())));
    }
    for (found, pixels) in gradients.iter_mut().zip(pixels) {
        if found.gradient.shape != pixels.shape || found.gradient.values.len() != pixels.values.len() {
            return Err(ModelError::new(format!(
                "a gradient of shape {:?} for pixels of shape {:?}",
                found.gradient.shape, pixels.shape
            )));
        }
        if attack_goal == AttackGoal::ToNamed {
            found.loss = -found.loss;
            found.gradient.values.iter_mut().for_each(|value| *value = -*value);
        }
    }
    Ok(gradients)
}

/// Returns the query with its first image replaced by `pixels`.
fn showing(query: &Query, pixels: Arc<PixelGrid>) -> Query {
    let mut query = query.clone();
    if let Some(first) = query.images.first_mut() {
        *first = QueryImage::Pixels(pixels);
    }
    query
}

/// Returns the attack goal that the parameter `targeted` selects: towards a wrong answer when true, otherwise away from
/// the right answer.
pub fn attack_goal(targeted: bool) -> AttackGoal {
    if targeted { AttackGoal::ToNamed } else { AttackGoal::FromGold }
}

/// Reads the size of an attack, in 255ths of the full scale, from the parameter `eps` of a condition.
///
/// # Errors
/// When the value is no number, or not above 0 and at most 255.
pub(super) fn eps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let eps = f64::deserialize(deserializer)?;
    if eps > 0.0 && eps <= 255.0 {
        Ok(eps)
    } else {
        Err(serde::de::Error::custom(format!("eps is {eps} -> write it in 255ths, above 0 and at most 255")))
    }
}
