//! A second turn of the user follows the model's own reply to the clean question. `rebuttal_doubt` doubts the reply,
//! `rebuttal_wrong` and `rebuttal_right` also name a wrong or the right answer, and `rebuttal_repeat`, the control,
//! only requests the answer again.
//!
//! All four use the same template for one item.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::case::Answer;

use crate::perturb::support::templates::{Library, Wording, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbation, PerturbationKind, Perturbed, Purpose, Recall, Scene, Skip};

/// Registry entry of `rebuttal_doubt`.
pub const DOUBT: PerturbationKind =
    PerturbationKind::of::<Doubt>("rebuttal_doubt", Purpose::Attack, "a second turn doubts the model's own reply")
        .worded(TEMPLATES_TOML);
/// Registry entry of `rebuttal_wrong`.
pub const WRONG: PerturbationKind = PerturbationKind::of::<Wrong>(
    "rebuttal_wrong",
    Purpose::Attack,
    "a second turn doubts the model's own reply and names a wrong answer",
)
.worded(TEMPLATES_TOML);
/// Registry entry of `rebuttal_right`.
pub const RIGHT: PerturbationKind = PerturbationKind::of::<Right>(
    "rebuttal_right",
    Purpose::Assist,
    "a second turn doubts the model's own reply and names the right answer",
)
.worded(TEMPLATES_TOML);
/// Registry entry of `rebuttal_repeat`, the control.
pub const REPEAT: PerturbationKind = PerturbationKind::of::<Repeat>(
    "rebuttal_repeat",
    Purpose::Control,
    "a second turn asks to repeat the model's own reply",
)
.worded(TEMPLATES_TOML);

/// Text of the template file.
pub const TEMPLATES_TOML: &str = include_str!("../../../../../recipes/suites/rebuttals.toml");

/// Sentences of one template: the user's second turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Doubts the reply and names no answer.
    pub doubt: String,
    /// Doubts the reply and names an answer; contains `{answer}` once.
    pub claim: String,
    /// Requests the answer again without doubting it.
    pub repeat: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Perturbation `rebuttal_doubt`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Doubt(Wording);

/// Perturbation `rebuttal_wrong`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Wrong(Wording);

/// Perturbation `rebuttal_right`.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Right(Wording);

/// Perturbation `rebuttal_repeat`.
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
