//! `region_mask` covers the evidence with grey. `random_mask`, the control, covers an area of the same shape
//! without evidence.
//!
//! The difference between their effects is region grounding: the extra loss of accuracy when the covered pixels are
//! the evidence.

use std::sync::Arc;

use serde::Deserialize;

use crate::perturb::support::evidence::Marked;
use crate::perturb::support::masking::{Cover, Masking};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};

/// Registry entry of `region_mask`.
pub const EVIDENCE: PerturbationKind =
    PerturbationKind::of::<EvidenceMask>("region_mask", Purpose::EvidenceRemoved, "the evidence is covered with grey");

/// Registry entry of `random_mask`, the control.
pub const RANDOM: PerturbationKind = PerturbationKind::of::<RandomMask>(
    "random_mask",
    Purpose::Control,
    "an area of the same shape without evidence is covered with grey",
);

/// Perturbation `region_mask`: covers the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct EvidenceMask(Masking);

/// Perturbation `random_mask`: covers the same shape away from the evidence.
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
