//! `region_only`: only the evidence is left of the pictures. `random_only`: only as large an area without evidence is.
//!
//! A reader that rests on the evidence keeps its answer with the first and loses it with the second.

use std::sync::Arc;

use serde::Deserialize;

use crate::perturb::support::evidence::Marked;
use crate::perturb::support::masking::{Keep, Masking};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};

/// The evidence.
pub const EVIDENCE: PerturbationKind =
    PerturbationKind::of::<EvidenceOnly>("region_only", Purpose::Control, "all but the evidence is covered with grey");

/// The control.
pub const RANDOM: PerturbationKind = PerturbationKind::of::<RandomOnly>(
    "random_only",
    Purpose::EvidenceRemoved,
    "all but as large an area without evidence is covered with grey",
);

/// Keeps the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct EvidenceOnly(Masking);

/// Keeps the same shape elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct RandomOnly(Masking);

impl Perturbation for EvidenceOnly {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(keeping(&self.0, self.0.over_evidence(scene)?))
    }
}

impl Perturbation for RandomOnly {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(keeping(&self.0, self.0.elsewhere(scene)?))
    }
}

fn keeping(masking: &Masking, masks: Vec<Marked>) -> Perturbed {
    let keep = Keep { masks, value: masking.value };
    Perturbed { pictures: ShownImages::Edited(Arc::new(keep)), ..Perturbed::default() }
}
