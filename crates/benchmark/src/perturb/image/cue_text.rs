//! The evidence is marked on the image, and a sentence makes a claim about it. `cue_text_wrong` names a wrong answer,
//! `cue_text_true` the right answer, with the same mark and sentence. Text dominance is the share of answers that
//! follow the wrong claim.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use stepwise_data::case::{Region, RegionRole};
use stepwise_data::prompt::Place;
use stepwise_data::taxonomy::is_about_marks;

use super::cue::true_marks;
use crate::perturb::support::inserted::inserted;
use crate::perturb::support::mark::{Shape, Style};
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Families, Library, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbed, Scene, ShownImages, Skip};

worded_kind! {
    WRONG = WrongClaim(Claiming), "cue_text_wrong", Attack, "the evidence is marked and a sentence makes a wrong claim about it",
    |given, scene| given.claiming(scene, wrong_answer(scene)?)
}

worded_kind! {
    TRUE = TrueClaim(Claiming), "cue_text_true", Assist, "the evidence is marked and a sentence makes a right claim about it",
    |given, scene| given.claiming(scene, right_answer(scene)?)
}

/// Text of the template file `crates/benchmark/sentences/cue_text.toml`, from which the sentences are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/cue_text.toml");

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Sentence of one template of `cue_text_wrong` and `cue_text_true`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Claim about the marked area; contains `{answer}` once.
    pub claim: String,
}

/// Parameters of `cue_text_wrong` and `cue_text_true`, the conditions that mark the evidence and make a claim about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Claiming {
    /// Shape of the mark, as in [`Style::shape`].
    pub shape: Shape,
    /// Width of the line, as in [`Style::width`].
    pub width: f64,
    /// Colour of the mark, as in [`Style::colour`].
    pub colour: [u8; 3],
    /// Split of the templates that may be drawn; `held_out` by default.
    pub families: Families,
}

impl Default for Claiming {
    fn default() -> Self {
        let Style { shape, width, colour } = Style::default();
        Self { shape, width, colour, families: Families::default() }
    }
}

impl Claiming {
    fn claiming(&self, scene: &Scene<'_>, named: Named) -> Result<Perturbed, Skip> {
        if scene.item.stage != 3 && !is_about_marks(&scene.item.category) {
            return Err(Skip("claims are made of stage 3 and of questions about marks"));
        }
        let is_mark = |region: &Region| region.role == RegionRole::Reference && region.label.ends_with("mark");
        if scene.case.regions.iter().any(is_mark) {
            return Err(Skip("the image has marks of its own, and the claim would not say which it means"));
        }
        let style = Style { shape: self.shape, width: self.width, colour: self.colour };
        let marks = true_marks(scene, &style)?;
        if marks.figures.len() > 1 {
            return Err(Skip("several areas are marked, and the claim would not say which it means"));
        }
        let template = LIBRARY.draw(self.families, scene, "cue_text")?;
        let text = fill(&template.words.claim, &[("answer", &named.text)]);
        let pictures = ShownImages::Edited(Arc::new(marks));
        Ok(Perturbed { pictures, ..inserted(Place::BeforeQuestion, text, template.id(), Some(named)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::{assert_quotes_answer, assert_varied};

    #[test]
    fn every_claim_quotes_the_answer_once_and_no_use_shares_its_words() {
        assert_varied(&LIBRARY, |words| vec![&words.claim]);
        LIBRARY.templates().iter().for_each(|template| assert_quotes_answer(&template.words.claim));
    }
}
