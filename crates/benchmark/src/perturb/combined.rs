//! A change of the words together with a change of the images, such as a hint with a blank image. A suite writes it with
//! the key `on`, which names the kind of the change of the images.

use std::fmt;
use std::sync::Arc;

use stepwise_data::prompt::PromptOptions;

use super::kinds::kind;
use super::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Kinds of conditions that can have the key `on`: they change words, keep the right answer, and repeat no earlier reply.
pub const WORDS: [&str; 11] = [
    "hint_plus",
    "hint_minus",
    "hint_zero",
    "permutation",
    "paraphrase",
    "reworded",
    "hedge_low",
    "hedge_high",
    "hedge_neutral",
    "report_injected",
    "report_plain",
];

/// Kinds of conditions that the key `on` can name. They have their default parameters.
pub const IMAGES: [&str; 7] = ["blank", "no_image", "swap_near", "swap_same", "swap_far", "region_mask", "random_mask"];

/// Applies the words of one perturbation and the images of another.
#[derive(Clone)]
pub struct Combined {
    words: Arc<dyn Perturbation>,
    images: Arc<dyn Perturbation>,
}

impl Combined {
    /// Combines `words`, built for the kind `of`, with the images of the kind named `on`. Also returns the purpose of the
    /// combination: without the evidence it is [`Purpose::EvidenceRemoved`], else the purpose of the words.
    ///
    /// # Errors
    /// A message with advice when the kind `of` cannot be combined, or `on` is no kind that it can be combined with.
    pub fn new(
        of: &PerturbationKind,
        words: Arc<dyn Perturbation>,
        on: &PerturbationKind,
    ) -> Result<(Self, Purpose), String> {
        if !WORDS.contains(&of.name) {
            return Err(format!("on: `{}` cannot be combined -> remove the key, or use {}", of.name, WORDS.join(", ")));
        }
        let images = (on.build)(toml::Table::new()).map_err(|error| error.to_string())?;
        let purpose = if on.purpose == Purpose::EvidenceRemoved { on.purpose } else { of.purpose };
        Ok((Self { words, images }, purpose))
    }

    /// Returns the kind that the key `on` names.
    ///
    /// # Errors
    /// A message with the valid names for any other name.
    pub fn images(on: &str) -> Result<&'static PerturbationKind, String> {
        let known = kind(on).filter(|kind| IMAGES.contains(&kind.name));
        known.ok_or_else(|| format!("on: is `{on}` -> write one of {}", IMAGES.join(", ")))
    }
}

impl fmt::Debug for Combined {
    /// Writes the words first, as for a condition without `on`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} on {:?}", self.words, self.images)
    }
}

impl Perturbation for Combined {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let (words, images) = (self.words.perturb(scene)?, self.images.perturb(scene)?);
        let frame = PromptOptions { without_images: images.frame.without_images, ..words.frame };
        Ok(Perturbed { frame, pictures: images.pictures, ..words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_can_be_combined_is_registered() {
        for name in WORDS.iter().chain(&IMAGES) {
            assert!(kind(name).is_some(), "{name}");
        }
        assert!(Combined::images("flip").is_err());
    }
}
