//! `hint_plus`, `hint_minus`, `hint_zero`: one added sentence that names the right answer, a wrong one, or none.
//!
//! For one item all three use the same template, so they differ in the named answer alone. A reader that follows hints
//! blindly gains by the first as much as it loses by the second; `hint_zero` is the control of both.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::prompt::{InsertedText, Place, PromptOptions};

use crate::perturb::support::templates::{Families, Library, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Names the right answer.
pub const PLUS: PerturbationKind =
    PerturbationKind::of::<Plus>("hint_plus", Purpose::Assist, "a sentence names the right answer")
        .worded(TEMPLATES_TOML);
/// Names a wrong answer.
pub const MINUS: PerturbationKind =
    PerturbationKind::of::<Minus>("hint_minus", Purpose::Attack, "a sentence names a wrong answer")
        .worded(TEMPLATES_TOML);
/// Names none.
pub const ZERO: PerturbationKind =
    PerturbationKind::of::<Zero>("hint_zero", Purpose::Control, "the same sentence without an answer")
        .worded(TEMPLATES_TOML);

/// The templates as written.
pub const TEMPLATES_TOML: &str = include_str!("../../../../../recipes/suites/hints.toml");

/// Who speaks, and where; the same keys for all three kinds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hinting {
    /// Who is made to speak.
    pub persona: Persona,
    /// Where the sentence stands.
    pub place: Place,
    /// Which families of templates are drawn from.
    pub families: Families,
}

impl Default for Hinting {
    fn default() -> Self {
        Self { persona: Persona::Neutral, place: Place::AfterOptions, families: Families::default() }
    }
}

/// Who is made to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persona {
    /// Nobody in particular.
    Neutral,
    /// The one examined.
    Patient,
    /// A student.
    Trainee,
    /// A doctor.
    Physician,
    /// A document.
    PriorReport,
}

/// One sentence and its neutral twin. Sentences of one family say the same in the words of different speakers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Who speaks.
    pub persona: Persona,
    /// Holds `{answer}` once.
    pub naming: String,
    /// Names no answer.
    pub neutral: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// The templates of one speaker for one use.
pub fn templates(families: Families, persona: Persona) -> impl Iterator<Item = &'static Words> {
    LIBRARY.of(families).filter(move |words| words.persona == persona)
}

/// Hint at the right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Plus(Hinting);

/// Hint at a wrong answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Minus(Hinting);

/// Hint at nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Zero(Hinting);

impl Perturbation for Plus {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let named = right_answer(scene)?;
        let text = fill(&self.0.template(scene)?.naming, &[("answer", &named.text)]);
        Ok(self.0.saying(text, Some(named)))
    }
}

impl Perturbation for Minus {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let named = wrong_answer(scene)?;
        let text = fill(&self.0.template(scene)?.naming, &[("answer", &named.text)]);
        Ok(self.0.saying(text, Some(named)))
    }
}

impl Perturbation for Zero {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(self.0.saying(self.0.template(scene)?.neutral.clone(), None))
    }
}

impl Hinting {
    fn template(&self, scene: &Scene<'_>) -> Result<&'static Words, Skip> {
        let all: Vec<_> = templates(self.families, self.persona).collect();
        all.choose(&mut scene.draw("hint_template")).copied().ok_or(Skip("no template for this speaker"))
    }

    fn saying(&self, text: String, named: Option<Named>) -> Perturbed {
        let frame =
            PromptOptions { inserts: vec![InsertedText { place: self.place, text }], ..PromptOptions::default() };
        Perturbed { frame, named, ..Perturbed::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::templates::assert_split;

    #[test]
    fn every_speaker_has_templates_of_every_use_and_no_family_has_two() {
        for persona in [Persona::Neutral, Persona::Patient, Persona::Trainee, Persona::Physician, Persona::PriorReport]
        {
            let least = [(Families::Training, 2), (Families::Validation, 1), (Families::HeldOut, 2)];
            for (families, least) in least {
                assert!(templates(families, persona).count() >= least, "{persona:?} {families:?}");
            }
        }
        assert_split(&LIBRARY);
    }

    #[test]
    fn a_neutral_twin_is_as_long_and_names_nothing() {
        for Words { naming, neutral, .. } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_eq!(naming.matches("{answer}").count(), 1, "{naming}");
            assert!(!neutral.contains('{'), "{neutral}");
            let words = |text: &str| text.split_whitespace().count();
            assert!(words(naming).abs_diff(words(neutral)) <= 2, "{naming} / {neutral}");
        }
    }
}
