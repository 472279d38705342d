//! `clean` leaves the stored question unchanged.

use serde::Deserialize;

use super::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Registry entry of `clean`: the question as it is stored.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Clean>("clean", Purpose::Clean, "the question as it is stored");

/// Perturbation `clean`: no change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clean {}

impl Perturbation for Clean {
    fn perturb(&self, _: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(Perturbed::default())
    }
}
