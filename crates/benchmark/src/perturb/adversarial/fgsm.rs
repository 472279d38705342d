//! `fgsm`, the fast gradient sign method: one step of size eps along the sign of the loss's pixel gradient (Goodfellow,
//! Shlens and Szegedy, 2015). With a random start it is the attack of fast adversarial training (Wong, Rice and Kolter, 2020).

use std::fmt;
use std::sync::Arc;

use rand::Rng;
use serde::Deserialize;

use super::linf;
use super::white_box::{ascents, attack_goal, attacked, eps};
use crate::model::{Model, ModelError, PixelGradient, PixelGrid};
use crate::perturb::{
    AdversarialImage, Attack, AttackGoal, AttackTarget, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip,
};
use crate::rng::SuiteRng;

/// Entry in the registry of conditions, by which a suite file names `fgsm`: an attack of one step along the sign of the
/// model's own pixel gradient.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Fgsm>("fgsm", Purpose::Attack, "one step along the sign of the model's own pixel gradient");

/// Step size of an attack with a random start, as a multiple of eps (Wong, Rice and Kolter, 2020).
const STEP: f64 = 1.25;

/// Perturbation and attack `fgsm`: the fast gradient sign method, one step along the sign of the pixel gradient
/// (Goodfellow, Shlens and Szegedy, 2015).
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fgsm {
    /// Change of a pixel value before clipping, in 255ths of the full scale, above 0 and at most 255.
    #[serde(deserialize_with = "eps")]
    pub eps: f64,
    /// Whether the attack aims at the wrong answer of `hint_minus` instead of away from the right answer; false
    /// by default.
    #[serde(default)]
    pub targeted: bool,
    /// Whether the attack starts at a random point of the L-infinity ball of size `eps` instead of at the image, takes a step
    /// of 1.25 `eps`, and is projected to the ball (fast FGSM, Wong, Rice and Kolter, 2020); false by default.
    #[serde(default)]
    pub random_start: bool,
}

/// The digest of a suite has this text. `random_start` is in it only where it is true, so that suites without it keep the
/// digests that they had before the parameter existed.
impl fmt::Debug for Fgsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Fgsm");
        text.field("eps", &self.eps).field("targeted", &self.targeted);
        if self.random_start {
            text.field("random_start", &true);
        }
        text.finish()
    }
}

impl Perturbation for Fgsm {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        attacked(scene, Arc::new(self.clone()))
    }
}

impl Attack for Fgsm {
    fn key(&self) -> String {
        let start = if self.random_start { ":random_start" } else { "" };
        format!("fgsm:{}:{:?}{start}", self.eps, self.attack_goal())
    }

    fn attack_goal(&self) -> AttackGoal {
        attack_goal(self.targeted)
    }

    fn attack(
        &self,
        targets: &[AttackTarget],
        rng: SuiteRng,
        gradient_source: &mut dyn Model,
    ) -> Result<Vec<AdversarialImage>, ModelError> {
        let start: Vec<_> = targets.iter().map(|target| self.start(target, rng)).collect();
        let ascents = ascents(self.attack_goal(), targets, &start, gradient_source)?;
        let radius = linf::radius(self.eps);
        let moved = |((target, start), ascent): ((&AttackTarget, Arc<PixelGrid>), PixelGradient)| {
            let mut pixels = PixelGrid::clone(&start);
            let directions = ascent.gradient.values.into_iter().map(linf::sign);
            if self.random_start {
                let size = linf::radius(STEP * self.eps);
                linf::projected_step(&mut pixels.values, &target.pixels.values, size, radius, directions);
            } else {
                linf::step(&mut pixels.values, radius, directions);
            }
            AdversarialImage { pixels, losses: vec![ascent.loss] }
        };
        Ok(targets.iter().zip(start).zip(ascents).map(moved).collect())
    }
}

impl Fgsm {
    /// Pixels at which the gradient is taken: those of the image, or a uniform draw from the ball around them.
    fn start(&self, target: &AttackTarget, rng: SuiteRng) -> Arc<PixelGrid> {
        if !self.random_start {
            return Arc::clone(&target.pixels);
        }
        let mut rng = rng.stream("fgsm_start", &[&target.query.case_id, &target.query.item_id]);
        let mut start = PixelGrid::clone(&target.pixels);
        let drawn = std::iter::repeat_with(|| rng.random_range(-1.0f32..=1.0));
        linf::step(&mut start.values, linf::radius(self.eps), drawn);
        Arc::new(start)
    }
}
