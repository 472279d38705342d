//! `permutation`: the options of a choice in another order. Answers should follow the words, not the places.

use std::num::NonZeroUsize;

use rand::seq::SliceRandom;
use serde::Deserialize;
use stepwise_data::case::Answer;
use stepwise_data::prompt::PromptOptions;

use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// The registry entry.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Permutation>("permutation", Purpose::Attack, "the options of a choice in another order");

/// Another order of the options.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permutation {
    /// Shifts the options by this many places, wrapping; a seeded random order when absent. Only choices with more options
    /// than that are asked, so that conditions for 1, 2, ... ask every rotation of every choice once.
    pub rotate: Option<NonZeroUsize>,
    /// Tells several random orders of one suite apart.
    pub draw: u32,
}

impl Perturbation for Permutation {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let Answer::Choice { options, .. } = &scene.item.answer else {
            return Err(Skip("only a choice has options to reorder"));
        };
        if options.len() < 2 {
            return Err(Skip("there is but one option"));
        }
        let stored: Vec<usize> = (0..options.len()).collect();
        let mut order = stored.clone();
        if let Some(places) = self.rotate {
            if places.get() >= options.len() {
                return Err(Skip("it has no further rotation"));
            }
            order.rotate_left(places.get());
        } else {
            let mut rng = scene.draw(&format!("permutation/{}", self.draw));
            while order == stored {
                order.shuffle(&mut rng);
            }
        }
        Ok(Perturbed {
            frame: PromptOptions { order: Some(order), ..PromptOptions::default() },
            ..Perturbed::default()
        })
    }
}
