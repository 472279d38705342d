//! `random_sign`, the control of gradient attacks: noise of the same size without a gradient. An attack must lower
//! accuracy more than this noise.

use std::sync::Arc;

use rand::Rng;
use serde::Deserialize;

use super::linf;
use super::white_box::{attacked, eps};
use crate::model::{Model, ModelError, PixelGrid};
use crate::perturb::{
    AdversarialImage, Attack, AttackTarget, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip,
};
use crate::rng::SuiteRng;

/// Entry in the registry of conditions, by which a suite file names `random_sign`, the control of gradient attacks: a
/// step of the same size along random signs.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<RandomSign>("random_sign", Purpose::Control, "a step of the same size along random signs");

/// Perturbation and attack `random_sign`: one step along random signs, that is, noise of the size of an attack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomSign {
    /// Change of every pixel value before clipping, in 255ths of the full scale, above 0 and at most 255.
    #[serde(deserialize_with = "eps")]
    pub eps: f64,
}

impl Perturbation for RandomSign {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        attacked(scene, Arc::new(self.clone()))
    }
}

impl Attack for RandomSign {
    fn key(&self) -> String {
        format!("random_sign:{}", self.eps)
    }

    fn needs_gradients(&self) -> bool {
        false
    }

    fn attack(
        &self,
        targets: &[AttackTarget],
        rng: SuiteRng,
        _: &mut dyn Model,
    ) -> Result<Vec<AdversarialImage>, ModelError> {
        Ok(targets
            .iter()
            .map(|target| {
                let mut rng = rng.stream("random_sign", &[&target.query.case_id, &target.query.item_id]);
                let mut pixels = PixelGrid::clone(&target.pixels);
                let signs = std::iter::repeat_with(|| if rng.random::<bool>() { 1.0 } else { -1.0 });
                linf::step(&mut pixels.values, linf::radius(self.eps), signs);
                AdversarialImage { pixels, losses: Vec::new() }
            })
            .collect())
    }
}
