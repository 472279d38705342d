//! `permutation` shows the options of a choice in another order. A model should choose the same option at its
//! new position.

use std::num::NonZeroUsize;

use rand::seq::SliceRandom;
use serde::Deserialize;
use stepwise_data::case::Answer;
use stepwise_data::prompt::PromptOptions;

use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Entry in the registry of conditions, by which a suite file names `permutation`: the options of a choice are shown in
/// another order.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Permutation>("permutation", Purpose::Attack, "the options of a choice in another order");

/// Perturbation `permutation`: shows the options of a choice in another order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permutation {
    /// Number of positions to rotate the options by. None draws a random order other than the stored order. Choices
    /// with no more options than this number are skipped, so that conditions with 1, 2, ... use every rotation of a
    /// choice once.
    pub rotate: Option<NonZeroUsize>,
    /// Number of the random order, 0 by default; conditions with different numbers draw independently. Without effect
    /// where `rotate` is given.
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
