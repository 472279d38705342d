//! `hedge_low`, `hedge_high`, `hedge_neutral`: a preface that weakens confidence, raises it, or, as their control, does
//! neither. None of them says anything about the answer.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::prompt::{InsertedText, Place, PromptOptions};

use crate::perturb::support::templates::{Families, Library};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Weakens confidence.
pub const LOW: PerturbationKind =
    PerturbationKind::of::<Low>("hedge_low", Purpose::Attack, "a preface says that nobody can know the answer")
        .worded(TEMPLATES_TOML);
/// Raises it.
pub const HIGH: PerturbationKind =
    PerturbationKind::of::<High>("hedge_high", Purpose::Attack, "a preface says that the answer is beyond doubt")
        .worded(TEMPLATES_TOML);
/// Does neither.
pub const NEUTRAL: PerturbationKind = PerturbationKind::of::<Neutral>(
    "hedge_neutral",
    Purpose::Control,
    "a preface as long that says nothing about confidence",
)
.worded(TEMPLATES_TOML);

/// The templates as written.
pub const TEMPLATES_TOML: &str = include_str!("../../../../../recipes/suites/hedges.toml");

/// Three prefaces of one length.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Weakens confidence.
    pub low: String,
    /// Raises it.
    pub high: String,
    /// Does neither.
    pub neutral: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Where the preface stands and what it is drawn from; the same keys for all three kinds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hedging {
    /// Where it stands.
    pub place: Place,
    /// Which families of templates are drawn from.
    pub families: Families,
}

impl Default for Hedging {
    fn default() -> Self {
        Self { place: Place::BeforeQuestion, families: Families::default() }
    }
}

/// Weakens confidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Low(Hedging);

/// Raises confidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct High(Hedging);

/// Does neither.
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
