//! A preface before the question: `hedge_low` weakens confidence, `hedge_high` raises it, and `hedge_neutral`, their
//! control, does neither. No preface contains information about the answer.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::prompt::{InsertedText, Place, PromptOptions};

use crate::perturb::support::templates::{Families, Library};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Registry entry of `hedge_low`.
pub const LOW: PerturbationKind =
    PerturbationKind::of::<Low>("hedge_low", Purpose::Attack, "a preface says that nobody can know the answer")
        .worded(TEMPLATES_TOML);
/// Registry entry of `hedge_high`.
pub const HIGH: PerturbationKind =
    PerturbationKind::of::<High>("hedge_high", Purpose::Attack, "a preface says that the answer is beyond doubt")
        .worded(TEMPLATES_TOML);
/// Registry entry of `hedge_neutral`, the control.
pub const NEUTRAL: PerturbationKind = PerturbationKind::of::<Neutral>(
    "hedge_neutral",
    Purpose::Control,
    "a preface of the same length that says nothing about confidence",
)
.worded(TEMPLATES_TOML);

/// Text of the template file.
pub const TEMPLATES_TOML: &str = include_str!("../../../../../recipes/suites/hedges.toml");

/// Sentences of one template: three prefaces of about the same length.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Preface that weakens confidence.
    pub low: String,
    /// Preface that raises confidence.
    pub high: String,
    /// Preface that does neither.
    pub neutral: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Parameters of all three kinds.
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

/// Perturbation `hedge_low`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Low(Hedging);

/// Perturbation `hedge_high`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct High(Hedging);

/// Perturbation `hedge_neutral`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Neutral(Hedging);

impl Perturbation for Low {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        self.0.saying(scene, |words| &words.low)
    }
}

impl Perturbation for High {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        self.0.saying(scene, |words| &words.high)
    }
}

impl Perturbation for Neutral {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        self.0.saying(scene, |words| &words.neutral)
    }
}

impl Hedging {
    fn saying(&self, scene: &Scene<'_>, which: impl Fn(&Words) -> &String) -> Result<Perturbed, Skip> {
        let text = which(LIBRARY.draw(self.families, scene, "hedge_template")?).clone();
        let frame =
            PromptOptions { inserts: vec![InsertedText { place: self.place, text }], ..PromptOptions::default() };
        Ok(Perturbed { frame, ..Perturbed::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::templates::assert_split;

    #[test]
    fn templates_are_split_and_as_long_as_their_control() {
        assert_split(&LIBRARY);
        for Words { low, high, neutral } in LIBRARY.templates().iter().map(|template| &template.words) {
            let words = |text: &str| text.split_whitespace().count();
            assert!(words(low).abs_diff(words(neutral)) <= 2, "{low} / {neutral}");
            assert!(words(high).abs_diff(words(neutral)) <= 2, "{high} / {neutral}");
            assert!(![low, high, neutral].iter().any(|text| text.contains('{')), "{low}");
        }
    }
}
