//! `region_only`, the control, shows only the evidence. `random_only` shows only an area of the same shape without
//! evidence. The rest of the image is grey.
//!
//! A model that relies on the evidence keeps its answer with `region_only` and loses it with `random_only`.

use std::sync::Arc;

use serde::Deserialize;

use crate::perturb::support::evidence::Marked;
use crate::perturb::support::masking::{Keep, Masking};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};

/// Registry entry of `region_only`, the control.
pub const EVIDENCE: PerturbationKind =
    PerturbationKind::of::<EvidenceOnly>("region_only", Purpose::Control, "all but the evidence is covered with grey");

/// Registry entry of `random_only`.
pub const RANDOM: PerturbationKind = PerturbationKind::of::<RandomOnly>(
    "random_only",
    Purpose::EvidenceRemoved,
    "all but an area of the same shape without evidence is covered with grey",
);

/// Perturbation `region_only`: keeps the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct EvidenceOnly(Masking);

/// Perturbation `random_only`: keeps the same shape away from the evidence.
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
