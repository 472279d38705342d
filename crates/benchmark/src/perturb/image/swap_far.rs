//! `swap_far`: the pictures of a case of another modality. They hold nothing that the question is about.

use serde::Deserialize;

use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};

/// The registry entry.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<SwapFar>("swap_far", Purpose::EvidenceRemoved, "pictures of a case of another modality");

/// The partner of [`Pool::far`](crate::perturb::Pool::far): a fixed derangement, the same for every suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapFar {}

impl Perturbation for SwapFar {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let partner = scene.pool.far(scene.case).ok_or(Skip("no case of another modality with as many pictures"))?;
        Ok(Perturbed { pictures: ShownImages::Of(partner), ..Perturbed::default() })
    }
}
