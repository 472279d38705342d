//! `fgsm`: one step of size eps along the sign of the loss's pixel gradient (Goodfellow, Shlens and Szegedy, 2015).

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use stepwise_curriculum::case::Answer;

use super::{Attack, Draws, Kind, Perturbation, Perturbed, Purpose, Scene, Skip, Target, linf};
use crate::probe::{PixelGrid, Probe, Respondent, RespondentError, Shown};

/// The registry entry.
pub const KIND: Kind =
    Kind::of::<Fgsm>("fgsm", Purpose::Attack, "one step along the sign of the respondent's own pixel gradient");

/// A single signed step.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fgsm {
    /// Largest change of a pixel, in 255ths of the full scale.
    #[serde(deserialize_with = "eps")]
    pub eps: f64,
}

impl Perturbation for Fgsm {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        attackable(scene)?;
        Ok(Perturbed { attack: Some(Arc::new(self.clone())), ..Perturbed::default() })
    }
}

impl Attack for Fgsm {
    fn key(&self) -> String {
        format!("fgsm:{}", self.eps)
    }

    fn attack(
        &self,
        targets: &[Target],
        _: Draws,
        respondent: &mut dyn Respondent,
    ) -> Result<Vec<PixelGrid>, RespondentError> {
        let asked: Vec<_> = targets
            .iter()
            .map(|target| (showing(&target.probe, Arc::clone(&target.pixels)), target.objective.clone()))
            .collect();
        let gradients = respondent.pixel_gradients(&asked)?;
        if gradients.len() != targets.len() {
            return Err(RespondentError::new(format!("{} gradients for {} probes", gradients.len(), targets.len())));
        }
        targets
            .iter()
            .zip(gradients)
            .map(|(target, found)| {
                if found.gradient.shape != target.pixels.shape
                    || found.gradient.values.len() != target.pixels.values.len()
                {
                    return Err(RespondentError::new(format!(
                        "a gradient of shape {:?} for pixels of shape {:?}",
                        found.gradient.shape, target.pixels.shape
                    )));
                }
                let mut pixels = PixelGrid::clone(&target.pixels);
                let signs = found.gradient.values.into_iter().map(linf::sign);
                linf::step(&mut pixels.values, linf::radius(self.eps), signs);
                Ok(pixels)
            })
            .collect()
    }
}

/// The probe with its first picture replaced by `pixels`.
#[must_use]
pub fn showing(probe: &Probe, pixels: Arc<PixelGrid>) -> Probe {
    let mut probe = probe.clone();
    if let Some(first) = probe.images.first_mut() {
        *first = Shown::Pixels(pixels);
    }
    probe
}

/// Attacks need a picture and an answer whose likelihood says what is right.
///
/// # Errors
/// For boxes: many other boxes are as right as the stored one.
pub fn attackable(scene: &Scene<'_>) -> Result<(), Skip> {
    if matches!(scene.item.answer, Answer::Box { .. }) {
        return Err(Skip("the likelihood of one box does not say what is right"));
    }
    Ok(())
}

pub(super) fn eps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let eps = f64::deserialize(deserializer)?;
    if eps > 0.0 && eps <= 255.0 {
        Ok(eps)
    } else {
        Err(serde::de::Error::custom(format!("eps is {eps} -> write it in 255ths, above 0 and at most 255")))
    }
}
