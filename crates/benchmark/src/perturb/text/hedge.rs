//! A preface before the question: `hedge_low` weakens confidence, `hedge_high` raises it, and `hedge_neutral`, their
//! control, does neither. No preface contains information about the answer.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::prompt::Place;

use crate::perturb::support::inserted::inserted;
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Families, Library};
use crate::perturb::{Perturbed, Scene, Skip};

worded_kind! {
    LOW = Low(Hedging), "hedge_low", Attack, "a preface says that nobody can know the answer",
    |given, scene| given.saying(scene, |words| &words.low)
}
worded_kind! {
    HIGH = High(Hedging), "hedge_high", Attack, "a preface says that the answer is beyond doubt",
    |given, scene| given.saying(scene, |words| &words.high)
}
worded_kind! {
    NEUTRAL = Neutral(Hedging), "hedge_neutral", Control, "a preface of the same length that says nothing about confidence",
    |given, scene| given.saying(scene, |words| &words.neutral)
}

/// Text of the template file `crates/benchmark/sentences/hedge.toml`, from which the prefaces are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/hedge.toml");

/// Sentences of one template of `hedge_low`, `hedge_high` and `hedge_neutral`: three prefaces of about the same length.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Preface that weakens confidence.
    pub low: String,
    /// Preface that raises confidence.
    pub high: String,
    /// Preface that neither weakens nor raises confidence.
    pub neutral: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Parameters of `hedge_low`, `hedge_high` and `hedge_neutral`, which add a preface about confidence to the question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hedging {
    /// Position of the preface; before the question by default.
    pub place: Place,
    /// Split of the templates that may be drawn; `held_out` by default.
    pub families: Families,
}

impl Default for Hedging {
    fn default() -> Self {
        Self { place: Place::BeforeQuestion, families: Families::default() }
    }
}

impl Hedging {
    fn saying(&self, scene: &Scene<'_>, which: impl Fn(&Words) -> &String) -> Result<Perturbed, Skip> {
        let template = LIBRARY.draw(self.families, scene, "hedge_template")?;
        Ok(inserted(self.place, which(&template.words).clone(), template.id(), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::{assert_as_long, assert_names_no_answer, assert_varied};

    #[test]
    fn templates_are_varied_and_as_long_as_their_control() {
        assert_varied(&LIBRARY, |words| vec![&words.low, &words.high, &words.neutral]);
        for Words { low, high, neutral } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_as_long(low, neutral);
            assert_as_long(high, neutral);
            [low, high, neutral].into_iter().for_each(|sentence| assert_names_no_answer(sentence));
            assert!(![low, high, neutral].iter().any(|text| text.contains('{')), "{low}");
        }
    }
}
