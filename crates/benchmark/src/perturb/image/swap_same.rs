//! `swap_same` shows the images of another patient with the same right answer. It is the control of `swap_near`: a
//! model that uses the image keeps its answer.

use serde::Deserialize;

use super::swap_partner::{Agreement, swapped};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Entry in the registry of conditions, by which a suite file names `swap_same`: the question is shown with the images
/// of another patient of the same modality, whose question of the same category has the same answer. It is the control
/// of `swap_near`.
pub const KIND: PerturbationKind = PerturbationKind::of::<SwapSame>(
    "swap_same",
    Purpose::Control,
    "images of another patient, same modality and category, with the same answer",
);

/// Perturbation `swap_same`: shows the images of another patient's case. It has the same modality, the same number of
/// images, and a question of the same category with the same right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapSame {}

impl Perturbation for SwapSame {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        swapped(scene, Agreement::Same, "swap_same", "no other patient with the same answer")
    }
}
