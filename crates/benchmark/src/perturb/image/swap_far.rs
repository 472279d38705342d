//! `swap_far` shows the images of a case of another modality. They contain nothing that the question is about.
//! Items whose answer says so are skipped.

use serde::Deserialize;

use crate::perturb::support::without_image::needs_its_image;
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};

/// Entry in the registry of conditions, by which a suite file names `swap_far`: the question is shown with the images
/// of a case of another modality.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<SwapFar>("swap_far", Purpose::EvidenceRemoved, "images of a case of another modality");

/// Perturbation `swap_far`: shows the images of the case's fixed partner of another modality, see
/// [`Pool::far`](crate::perturb::Pool::far). The partner is the same for every suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapFar {}

impl Perturbation for SwapFar {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        needs_its_image(scene.item)?;
        let partner = scene.pool.far(scene.case).ok_or(Skip("no case of another modality with as many pictures"))?;
        Ok(Perturbed { pictures: ShownImages::Of(partner), ..Perturbed::default() })
    }
}
