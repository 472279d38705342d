//! `region_mask`: the evidence is covered with grey. `random_mask`: as much of the picture is, elsewhere.
//!
//! The difference of the two effects is region grounding: what the *right* pixels are worth beyond any pixels.

use std::sync::Arc;

use serde::Deserialize;

use crate::perturb::support::evidence::Marked;
use crate::perturb::support::masking::{Cover, Masking};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};

/// The evidence.
pub const EVIDENCE: PerturbationKind =
    PerturbationKind::of::<EvidenceMask>("region_mask", Purpose::EvidenceRemoved, "the evidence is covered with grey");

/// The control.
pub const RANDOM: PerturbationKind = PerturbationKind::of::<RandomMask>(
    "random_mask",
    Purpose::Control,
    "as large an area without evidence is covered with grey",
);

/// Covers the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct EvidenceMask(Masking);

/// Covers the same shape elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct RandomMask(Masking);

impl Perturbation for EvidenceMask {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(covering(&self.0, self.0.over_evidence(scene)?))
    }
}

impl Perturbation for RandomMask {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(covering(&self.0, self.0.elsewhere(scene)?))
    }
}

fn covering(masking: &Masking, masks: Vec<Marked>) -> Perturbed {
    let cover = Cover { masks, value: masking.value };
    Perturbed { pictures: ShownImages::Edited(Arc::new(cover)), ..Perturbed::default() }
}
