//! `pgd`: projected gradient ascent with many small signed steps in the L-infinity ball, from random starts (Madry
//! et al., 2018). `transfer`: the same attack made on another model, usually the base model, and shown to the
//! evaluated model.
//!
//! A model that withstands `pgd` but not `transfer` is not robust: it masks its gradients.

use std::sync::Arc;

use rand::Rng;
use serde::Deserialize;

use super::linf;
use super::white_box::{ascents, attack_goal, attacked, eps};
use crate::model::{Model, ModelError, PixelGrid};
use crate::perturb::{
    AdversarialImage, Attack, AttackGoal, AttackTarget, GradientSource, Perturbation, PerturbationKind, Perturbed,
    Purpose, Scene, Skip,
};
use crate::rng::SuiteRng;

/// Entry in the registry of conditions, by which a suite file names `pgd`: an attack of many small steps along the sign
/// of the model's own pixel gradient.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Pgd>("pgd", Purpose::Attack, "many small steps along the model's own pixel gradient");

/// Entry in the registry of conditions, by which a suite file names `transfer`: a `pgd` attack made on another model,
/// usually the base, and shown to the evaluated model.
pub const TRANSFER: PerturbationKind =
    PerturbationKind::of::<Transfer>("transfer", Purpose::Attack, "an attack made on the base and shown to the model");

/// Perturbation and attack `pgd`: projected gradient ascent from random starts in the L-infinity ball (Madry et al.,
/// 2018), in which no pixel value changes by more than `eps`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pgd {
    /// Largest change of a pixel value, in 255ths of the full scale, above 0 and at most 255.
    #[serde(deserialize_with = "eps")]
    pub eps: f64,
    /// Number of gradient steps per restart; 20 by default.
    #[serde(default = "steps", deserialize_with = "at_least_one")]
    pub steps: usize,
    /// Number of random starts; 2 by default. The start that ends with the highest loss is kept.
    #[serde(default = "restarts", deserialize_with = "at_least_one")]
    pub restarts: usize,
    /// Whether the attack aims at the wrong answer of `hint_minus` instead of away from the right answer; false
    /// by default.
    #[serde(default)]
    pub targeted: bool,
}

fn steps() -> usize {
    20
}

fn restarts() -> usize {
    2
}

fn at_least_one<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("steps or restarts is 0 -> write at least 1")),
        count => Ok(count),
    }
}

/// Perturbation and attack `transfer`: [`Pgd`] with the gradients of the surrogate, the other model that a run is given
/// for this purpose. It has the same parameters as [`Pgd`].
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Transfer(Pgd);

impl Perturbation for Pgd {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        attacked(scene, Arc::new(self.clone()))
    }
}

impl Perturbation for Transfer {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        attacked(scene, Arc::new(self.clone()))
    }
}

impl Attack for Transfer {
    fn key(&self) -> String {
        format!("transfer:{}", self.0.key())
    }

    fn gradient_source(&self) -> GradientSource {
        GradientSource::Surrogate
    }

    fn attack_goal(&self) -> AttackGoal {
        self.0.attack_goal()
    }

    fn attack(
        &self,
        targets: &[AttackTarget],
        rng: SuiteRng,
        gradient_source: &mut dyn Model,
    ) -> Result<Vec<AdversarialImage>, ModelError> {
        self.0.attack(targets, rng, gradient_source)
    }
}

impl Attack for Pgd {
    fn key(&self) -> String {
        format!("pgd:{}:{}:{}:{:?}", self.eps, self.steps, self.restarts, self.attack_goal())
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
        let mut worst: Vec<Option<AdversarialImage>> = vec![None; targets.len()];
        for restart in 0..self.restarts {
            let ended = self.climb(targets, rng, restart, gradient_source)?;
            for (worst, ended) in worst.iter_mut().zip(ended) {
                let last = |attacked: &AdversarialImage| attacked.losses.last().copied().unwrap_or(f64::NEG_INFINITY);
                if worst.as_ref().is_none_or(|worst| last(&ended) > last(worst)) {
                    *worst = Some(ended);
                }
            }
        }
        Ok(worst.into_iter().flatten().collect())
    }
}

impl Pgd {
    /// Runs restart number `restart` for all targets at once, step by step.
    fn climb(
        &self,
        targets: &[AttackTarget],
        rng: SuiteRng,
        restart: usize,
        gradient_source: &mut dyn Model,
    ) -> Result<Vec<AdversarialImage>, ModelError> {
        let radius = linf::radius(self.eps);
        // A step of 2.5 eps / n reaches the other side of the ball from any start and leaves steps to move along
        // the edge.
        let size = linf::radius(2.5 * self.eps / self.steps as f64);
        let mut pixels: Vec<Arc<PixelGrid>> = targets
            .iter()
            .map(|target| {
                let about = [&target.query.case_id, target.query.item_id.as_str(), &restart.to_string()];
                let mut rng = rng.stream("pgd_start", &about);
                let mut start = PixelGrid::clone(&target.pixels);
                let drawn = std::iter::repeat_with(|| rng.random_range(-1.0f32..=1.0));
                linf::step(&mut start.values, radius, drawn);
                Arc::new(start)
            })
            .collect();
        let mut losses: Vec<Vec<f64>> = vec![Vec::with_capacity(self.steps + 1); targets.len()];
        for _ in 0..self.steps {
            let found = ascents(self.attack_goal(), targets, &pixels, gradient_source)?;
            for (((pixels, found), target), losses) in pixels.iter_mut().zip(found).zip(targets).zip(&mut losses) {
                losses.push(found.loss);
                let directions = found.gradient.values.into_iter().map(linf::sign);
                let moved = Arc::make_mut(pixels);
                linf::projected_step(&mut moved.values, &target.pixels.values, size, radius, directions);
            }
        }
        for (found, losses) in
            ascents(self.attack_goal(), targets, &pixels, gradient_source)?.into_iter().zip(&mut losses)
        {
            losses.push(found.loss);
        }
        let attacked = |(pixels, losses)| AdversarialImage { pixels: Arc::unwrap_or_clone(pixels), losses };
        Ok(pixels.into_iter().zip(losses).map(attacked).collect())
    }
}
