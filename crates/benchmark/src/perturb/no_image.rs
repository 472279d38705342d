//! `no_image`: the question without its picture, in silence or with a sentence that says so. What is answered right now was
//! answered from the words.

use serde::Deserialize;
use stepwise_curriculum::case::Answer;
use stepwise_curriculum::prompt::{Frame, Insert, Place};

use super::{Kind, Perturbation, Perturbed, Purpose, Scene, Skip};

/// The registry entry.
pub const KIND: Kind = Kind::of::<NoImage>("no_image", Purpose::Removal, "the question is asked without its pictures");

/// What is said where the absence is declared.
pub const DECLARATION: &str = "No image is available. Answer with your best guess.";

/// The words alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoImage {
    /// Whether [`DECLARATION`] is said before the question.
    pub declared: bool,
}

impl Perturbation for NoImage {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        if !matches!(scene.item.answer, Answer::Choice { .. } | Answer::Yesno { .. }) {
            return Err(Skip("only a choice or a yes or no can be guessed without the picture"));
        }
        let inserts = match self.declared {
            true => vec![Insert { place: Place::BeforeQuestion, text: DECLARATION.to_owned() }],
            false => Vec::new(),
        };
        Ok(Perturbed { frame: Frame { inserts, without_images: true, ..Frame::default() }, ..Perturbed::default() })
    }
}
