//! `swap_near` shows the images of another patient with another right answer.
//!
//! A model that uses the image gives the other patient's answer, so its accuracy against the stored answer must fall.

use serde::Deserialize;

use super::swap_partner::{Agreement, swapped};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Entry in the registry of conditions, by which a suite file names `swap_near`: the question is shown with the images
/// of another patient of the same modality, whose question of the same category has another answer.
pub const KIND: PerturbationKind = PerturbationKind::of::<SwapNear>(
    "swap_near",
    Purpose::EvidenceRemoved,
    "images of another patient, same modality and category, with another answer",
);

/// Perturbation `swap_near`: shows the images of another patient's case. It has the same modality, the same number of
/// images, and a question of the same category with another right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapNear {}

impl Perturbation for SwapNear {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        swapped(scene, Agreement::Other, "swap_near", "no other patient with another answer")
    }
}
