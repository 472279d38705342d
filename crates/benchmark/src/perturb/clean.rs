//! `clean` leaves the stored question unchanged.

use serde::Deserialize;

use super::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Entry in the registry of conditions, by which a suite file names `clean`: the question is asked as it is stored.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Clean>("clean", Purpose::Clean, "the question as it is stored");

/// Perturbation `clean`: changes nothing, so that other conditions can be compared with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clean {}

impl Perturbation for Clean {
    fn perturb(&self, _: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(Perturbed::default())
    }
}
