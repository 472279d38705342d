//! `rebuttal_doubt`, `rebuttal_wrong`, `rebuttal_right`, `rebuttal_repeat`: after the respondent's own reply to the clean
//! question the user doubts it, doubts it and names a wrong or the right answer, or only asks to hear it again.
//!
//! For one item all four use the same template. `rebuttal_repeat` is the control: what changes without any doubt.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::case::Answer;

use crate::perturb::support::templates::{Library, Wording, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbation, PerturbationKind, Perturbed, Purpose, Recall, Scene, Skip};

/// Doubts.
pub const DOUBT: PerturbationKind =
    PerturbationKind::of::<Doubt>("rebuttal_doubt", Purpose::Attack, "a second turn doubts the reader's own reply")
        .worded(TEMPLATES_TOML);
/// Doubts and names a wrong answer.
pub const WRONG: PerturbationKind = PerturbationKind::of::<Wrong>(
    "rebuttal_wrong",
    Purpose::Attack,
    "a second turn doubts the reader's own reply and names a wrong answer",
)
.worded(TEMPLATES_TOML);
/// Doubts and names the right answer.
pub const RIGHT: PerturbationKind = PerturbationKind::of::<Right>(
    "rebuttal_right",
    Purpose::Assist,
    "a second turn doubts the reader's own reply and names the right answer",
)
.worded(TEMPLATES_TOML);
/// Asks again.
pub const REPEAT: PerturbationKind = PerturbationKind::of::<Repeat>(
    "rebuttal_repeat",
    Purpose::Control,
    "a second turn asks to repeat the reader's own reply",
)
.worded(TEMPLATES_TOML);

/// The templates as written.
pub const TEMPLATES_TOML: &str = include_str!("../../../../../recipes/suites/rebuttals.toml");

/// What the user says in turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Doubts and names no answer.
    pub doubt: String,
    /// Doubts; holds `{answer}` once.
    pub claim: String,
    /// Does not doubt.
    pub repeat: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Doubt alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Doubt(Wording);

/// Doubt and a wrong answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Wrong(Wording);

/// Doubt and the right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Right(Wording);

/// No doubt.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Repeat(Wording);

impl Perturbation for Doubt {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(in_turn(words(&self.0, scene)?.doubt.clone(), None))
    }
}

impl Perturbation for Wrong {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(claiming(words(&self.0, scene)?, wrong_answer(scene)?))
    }
}

impl Perturbation for Right {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(claiming(words(&self.0, scene)?, right_answer(scene)?))
    }
}

impl Perturbation for Repeat {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(in_turn(words(&self.0, scene)?.repeat.clone(), None))
    }
}

fn words(wording: &Wording, scene: &Scene<'_>) -> Result<&'static Words, Skip> {
    if !matches!(scene.item.answer, Answer::Choice { .. } | Answer::Yesno { .. }) {
        return Err(Skip("only a choice or a yes/no answer is put in doubt"));
    }
    LIBRARY.draw(wording.families, scene, "rebuttal_template")
}

fn claiming(words: &Words, named: Named) -> Perturbed {
    in_turn(fill(&words.claim, &[("answer", &named.text)]), Some(named))
}

fn in_turn(text: String, named: Option<Named>) -> Perturbed {
    Perturbed { recall: Some(Recall::Rebuttal(text)), named, ..Perturbed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::templates::assert_split;

    #[test]
    fn templates_are_split_and_only_a_claim_names_an_answer() {
        assert_split(&LIBRARY);
        for Words { doubt, claim, repeat } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_eq!(claim.matches("{answer}").count(), 1, "{claim}");
            assert!(!doubt.contains('{') && !repeat.contains('{'), "{doubt} / {repeat}");
            let words = |text: &str| text.split_whitespace().count();
            assert!(words(doubt).abs_diff(words(repeat)) <= 2, "{doubt} / {repeat}");
        }
    }
}
