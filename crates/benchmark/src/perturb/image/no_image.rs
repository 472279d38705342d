//! `no_image` leaves the images out, with or without a sentence that states it. Right answers then come from the
//! words alone. Items whose answer is also true without an image are skipped.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::case::Answer;
use stepwise_data::prompt::Place;

use crate::perturb::support::inserted::inserted;
use crate::perturb::support::templates::{Families, Library};
use crate::perturb::support::without_image::needs_its_image;
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Entry in the registry of conditions, by which a suite file names `no_image`: the question is asked without its
/// images.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<NoImage>("no_image", Purpose::EvidenceRemoved, "the question is asked without its images")
        .worded(TEMPLATES_TOML);

/// Text of the template file `crates/benchmark/sentences/no_image.toml`, from which the sentences are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/no_image.toml");

/// Sentence of one template of `no_image`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Statement that there is no image, placed before the question.
    pub declaration: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Perturbation `no_image`: leaves the images out of choices and yes/no questions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoImage {
    /// Whether a sentence before the question states that there is no image; false by default.
    pub declared: bool,
    /// Split of the templates that may be drawn; `held_out` by default.
    pub families: Families,
}

impl Perturbation for NoImage {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        if !matches!(scene.item.answer, Answer::Choice { .. } | Answer::Yesno { .. }) {
            return Err(Skip("only a choice or a yes or no can be guessed without the picture"));
        }
        needs_its_image(scene.item)?;
        let mut perturbed = if self.declared {
            let template = LIBRARY.draw(self.families, scene, "declaration")?;
            inserted(Place::BeforeQuestion, template.words.declaration.clone(), template.id(), None)
        } else {
            Perturbed::default()
        };
        perturbed.frame.without_images = true;
        Ok(perturbed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::{assert_names_no_answer, assert_varied};

    #[test]
    fn templates_are_varied_and_have_no_gaps() {
        assert_varied(&LIBRARY, |words| vec![&words.declaration]);
        LIBRARY.templates().iter().for_each(|template| assert_names_no_answer(&template.words.declaration));
        assert!(LIBRARY.templates().iter().all(|template| !template.words.declaration.contains('{')));
    }
}
