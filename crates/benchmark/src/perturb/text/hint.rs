//! An added sentence: `hint_plus` names the right answer, `hint_minus` a wrong answer, and `hint_zero`, the control of
//! both, no answer.
//!
//! All three use the same template for one item. A model that follows every hint is always right with `hint_plus` and
//! always wrong with `hint_minus`.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::prompt::Place;

use crate::perturb::support::inserted::inserted;
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Families, Library, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbed, Scene, Skip};

worded_kind! {
    PLUS = Plus(Hinting), "hint_plus", Assist, "a sentence names the right answer",
    |given, scene| {
        let named = right_answer(scene)?;
        let text = fill(&given.template(scene)?.naming, &[("answer", &named.text)]);
        Ok(given.saying(text, Some(named)))
    }
}
worded_kind! {
    MINUS = Minus(Hinting), "hint_minus", Attack, "a sentence names a wrong answer",
    |given, scene| {
        let named = wrong_answer(scene)?;
        let text = fill(&given.template(scene)?.naming, &[("answer", &named.text)]);
        Ok(given.saying(text, Some(named)))
    }
}
worded_kind! {
    ZERO = Zero(Hinting), "hint_zero", Control, "the same sentence without an answer",
    |given, scene| Ok(given.saying(given.template(scene)?.neutral.clone(), None))
}

/// Text of the template file `crates/benchmark/sentences/hint.toml`, from which the sentences are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/hint.toml");

/// Parameters of `hint_plus`, `hint_minus` and `hint_zero`, which add a sentence that names an answer, or none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hinting {
    /// Speaker of the sentence; `neutral` by default.
    pub persona: Persona,
    /// Position of the sentence; after the options by default.
    pub place: Place,
    /// Split of the templates that may be drawn; `held_out` by default.
    pub families: Families,
}

impl Default for Hinting {
    fn default() -> Self {
        Self { persona: Persona::Neutral, place: Place::AfterOptions, families: Families::default() }
    }
}

/// Speaker to whom the sentence of a hint is attributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persona {
    /// No particular speaker.
    Neutral,
    /// The examined patient.
    Patient,
    /// A trainee or student.
    Trainee,
    /// A physician.
    Physician,
    /// A prior report.
    PriorReport,
}

/// Sentences of one template: a hint and its neutral counterpart. Templates of one family have the same meaning in the
/// words of different speakers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Speaker of both sentences.
    pub persona: Persona,
    /// Hint; contains `{answer}` once.
    pub naming: String,
    /// Neutral counterpart of about the same length, without an answer.
    pub neutral: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Iterates over the built-in templates of the split `families` and the speaker `persona`, in the order of the file;
/// empty where there is none.
pub fn templates(families: Families, persona: Persona) -> impl Iterator<Item = &'static Words> {
    LIBRARY.of(families).filter(move |words| words.persona == persona)
}

impl Hinting {
    fn template(&self, scene: &Scene<'_>) -> Result<&'static Words, Skip> {
        let all: Vec<_> = templates(self.families, self.persona).collect();
        all.choose(&mut scene.draw("hint_template")).copied().ok_or(Skip("no template for this speaker"))
    }

    fn saying(&self, text: String, named: Option<Named>) -> Perturbed {
        inserted(self.place, text, named)
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
