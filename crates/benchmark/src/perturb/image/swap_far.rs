//! `swap_far`: the pictures of a case of another modality. They hold nothing that the question is about.

use serde::Deserialize;

use crate::perturb::{Kind, Perturbation, Perturbed, Pictures, Purpose, Scene, Skip};

/// The registry entry.
pub const KIND: Kind = Kind::of::<SwapFar>("swap_far", Purpose::Removal, "pictures of a case of another modality");

/// The partner of [`Pool::far`](crate::perturb::Pool::far): a fixed derangement, the same for every suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapFar {}

impl Perturbation for SwapFar {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let partner = scene.pool.far(scene.case).ok_or(Skip("no case of another modality with as many pictures"))?;
        Ok(Perturbed { pictures: Pictures::Of(partner), ..Perturbed::default() })
    }
}
