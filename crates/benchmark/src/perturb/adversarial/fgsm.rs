//! `fgsm`, the fast gradient sign method: one step of size eps along the sign of the loss's pixel gradient (Goodfellow,
//! Shlens and Szegedy, 2015).

use std::sync::Arc;

use serde::Deserialize;

use super::linf;
use super::white_box::{ascents, attack_goal, attacked, eps};
use crate::model::{Model, ModelError, PixelGrid};
use crate::perturb::{
    AdversarialImage, Attack, AttackGoal, AttackTarget, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip,
};
use crate::rng::SuiteRng;

/// Entry in the registry of conditions, by which a suite file names `fgsm`: an attack of one step along the sign of the
/// model's own pixel gradient.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Fgsm>("fgsm", Purpose::Attack, "one step along the sign of the model's own pixel gradient");

/// Perturbation and attack `fgsm`: the fast gradient sign method, one step along the sign of the pixel gradient
/// (Goodfellow, Shlens and Szegedy, 2015).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fgsm {
    /// Change of a pixel value before clipping, in 255ths of the full scale, above 0 and at most 255.
    #[serde(deserialize_with = "eps")]
    pub eps: f64,
    /// Whether the attack aims at the wrong answer of `hint_minus` instead of away from the right answer; false
    /// by default.
    #[serde(default)]
    pub targeted: bool,
}

impl Perturbation for Fgsm {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        attacked(scene, Arc::new(self.clone()))
    }
}

impl Attack for Fgsm {
    fn key(&self) -> String {
        format!("fgsm:{}:{:?}", self.eps, self.attack_goal())
    }

    fn attack_goal(&self) -> AttackGoal {
        attack_goal(self.targeted)
    }

    fn attack(
        &self,
        targets: &[AttackTarget],
        _: SuiteRng,
        gradient_source: &mut dyn Model,
    ) -> Result<Vec<AdversarialImage>, ModelError> {
        let start: Vec<_> = targets.iter().map(|target| Arc::clone(&target.pixels)).collect();
        let ascents = ascents(self.attack_goal(), targets, &start, gradient_source)?;
        Ok(start
            .into_iter()
            .zip(ascents)
            .map(|(start, ascent)| {
                let mut pixels = PixelGrid::clone(&start);
                linf::step(
                    &mut pixels.values,
                    linf::radius(self.eps),
                    ascent.gradient.values.into_iter().map(linf::sign),
                );
                AdversarialImage { pixels, losses: vec![ascent.loss] }
            })
            .collect())
    }
}
