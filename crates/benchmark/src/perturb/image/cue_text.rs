//! `cue_text_wrong`: the evidence is truly marked, and a sentence claims something wrong of it. `cue_text_true`: the same
//! mark and sentence with the right claim. Whether a reader then follows the text or the picture is text dominance.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use stepwise_data::prompt::{InsertedText, Place, PromptOptions};
use stepwise_data::taxonomy::is_about_marks;

use super::cue::true_marks;
use crate::perturb::support::mark::{Shape, Style};
use crate::perturb::support::templates::{Families, Library, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};

/// A wrong claim.
pub const WRONG: PerturbationKind = PerturbationKind::of::<WrongClaim>(
    "cue_text_wrong",
    Purpose::Attack,
    "the evidence is marked and a sentence claims something wrong of it",
)
.worded(TEMPLATES_TOML);

/// The right claim.
pub const TRUE: PerturbationKind = PerturbationKind::of::<TrueClaim>(
    "cue_text_true",
    Purpose::Assist,
    "the evidence is marked and a sentence says what is right of it",
)
.worded(TEMPLATES_TOML);

/// The templates as written.
pub const TEMPLATES_TOML: &str = include_str!("../../../../../recipes/suites/claims.toml");

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// One claim.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Holds `{answer}` once.
    pub claim: String,
}

/// The mark and the words; the same keys for both kinds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Claiming {
    /// As in [`Style`].
    pub shape: Shape,
    /// As in [`Style`].
    pub width: f64,
    /// As in [`Style`].
    pub colour: [u8; 3],
    /// Which families of templates are drawn from.
    pub families: Families,
}

impl Default for Claiming {
    fn default() -> Self {
        let Style { shape, width, colour } = Style::default();
        Self { shape, width, colour, families: Families::default() }
    }
}

/// A wrong claim about the marked evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct WrongClaim(Claiming);

/// The right claim about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct TrueClaim(Claiming);

impl Perturbation for WrongClaim {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        self.0.claiming(scene, wrong_answer(scene)?)
    }
}

impl Perturbation for TrueClaim {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        self.0.claiming(scene, right_answer(scene)?)
    }
}

impl Claiming {
    fn claiming(&self, scene: &Scene<'_>, named: Named) -> Result<Perturbed, Skip> {
        if scene.item.stage != 3 && !is_about_marks(&scene.item.category) {
            return Err(Skip("claims are made of stage 3 and of questions about marks"));
        }
        let style = Style { shape: self.shape, width: self.width, colour: self.colour };
        let marks = true_marks(scene, &style)?;
        let words = LIBRARY.draw(self.families, scene, "cue_text")?;
        let text = fill(&words.claim, &[("answer", &named.text)]);
        let frame = PromptOptions {
            inserts: vec![InsertedText { place: Place::BeforeQuestion, text }],
            ..PromptOptions::default()
        };
        let pictures = ShownImages::Edited(Arc::new(marks));
        Ok(Perturbed { frame, named: Some(named), pictures, ..Perturbed::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::templates::assert_split;

    #[test]
    fn every_claim_names_the_answer_once_and_no_family_is_in_both_uses() {
        assert_split(&LIBRARY);
        for template in LIBRARY.templates() {
            assert_eq!(template.words.claim.matches("{answer}").count(), 1, "{}", template.words.claim);
        }
    }
}
