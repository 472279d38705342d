//! `swap_same`: the pictures of another patient to whom the same question has the same answer. The control of `swap_near`:
//! a reader that looks says what it said before.

use serde::Deserialize;

use super::swap::{Agreement, swapped};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// The registry entry.
pub const KIND: PerturbationKind = PerturbationKind::of::<SwapSame>(
    "swap_same",
    Purpose::Control,
    "pictures of another patient, same modality and category, with the same answer",
);

/// A partner of another group, of the same modality and category, with as many pictures and the same right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapSame {}

impl Perturbation for SwapSame {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        swapped(scene, Agreement::Same, "swap_same", "no other patient with the same answer")
    }
}
