//! `swap_near`: the pictures of another patient to whom the same question has another answer.
//!
//! A reader that looks now gives the other patient's answer, so its accuracy against the stored one must fall.

use serde::Deserialize;

use super::swap::{Agreement, swapped};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// The registry entry.
pub const KIND: PerturbationKind = PerturbationKind::of::<SwapNear>(
    "swap_near",
    Purpose::EvidenceRemoved,
    "pictures of another patient, same modality and category, with another answer",
);

/// A partner of another group, of the same modality and category, with as many pictures and another right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapNear {}

impl Perturbation for SwapNear {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        swapped(scene, Agreement::Other, "swap_near", "no other patient with another answer")
    }
}
