//! What all attacks with gradients share: whom they can be made on, how their size is written, and the gradients of many
//! probes at once.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use stepwise_data::case::Answer;

use crate::model::{Model, ModelError, PixelGradient, PixelGrid, Query, Shown};
use crate::perturb::support::wrong_answer::wrong_answer;
use crate::perturb::{Attack, AttackGoal, AttackTarget, Perturbed, Scene, Skip};

/// The stored question with `attack` made on its picture; an attack that drives at a named answer is given the wrong one
/// of `hint_minus`.
///
/// # Errors
/// For boxes: many other boxes are as right as the stored one.
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

/// What an attack raises and in which direction of the pixels it rises: losses and their gradients, turned round where the
/// objective is to be lowered. One for each target, showing `pixels` instead of its own.
///
/// # Errors
/// When the victim fails or gives gradients of another shape.
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
        return Err(ModelError::new(format!("{} gradients for {} probes", gradients.len(), targets.len())));
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

/// The probe with its first picture replaced by `pixels`.
fn showing(query: &Query, pixels: Arc<PixelGrid>) -> Query {
    let mut query = query.clone();
    if let Some(first) = query.images.first_mut() {
        *first = Shown::Pixels(pixels);
    }
    query
}

/// Away from the right answer, or to a wrong one.
pub fn attack_goal(targeted: bool) -> AttackGoal {
    if targeted { AttackGoal::ToNamed } else { AttackGoal::FromGold }
}

/// Reads the size of an attack.
pub(super) fn eps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let eps = f64::deserialize(deserializer)?;
    if eps > 0.0 && eps <= 255.0 {
        Ok(eps)
    } else {
        Err(serde::de::Error::custom(format!("eps is {eps} -> write it in 255ths, above 0 and at most 255")))
    }
}
