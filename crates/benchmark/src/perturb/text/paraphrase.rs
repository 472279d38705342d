//! `paraphrase`, `reworded`: the same question in other words. The first takes a wording the case records; the second puts
//! the stored question into a sentence that leaves its meaning as it is, which any question allows.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::prompt::PromptOptions;

use crate::perturb::support::templates::{Library, Wording, fill};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// A recorded wording.
pub const STORED: PerturbationKind =
    PerturbationKind::of::<Stored>("paraphrase", Purpose::Attack, "a recorded other wording of the question");
/// A sentence around the question.
pub const REWORDED: PerturbationKind = PerturbationKind::of::<Reworded>(
    "reworded",
    Purpose::Attack,
    "the question inside a sentence that changes nothing about it",
)
.worded(TEMPLATES_TOML);

/// The templates as written.
pub const TEMPLATES_TOML: &str = include_str!("../../../../../recipes/suites/paraphrases.toml");

/// A sentence around a question.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Holds `{question}` once.
    pub wording: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// A recorded wording.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stored {
    /// Which of the recorded wordings, from 0; drawn when absent.
    pub number: Option<usize>,
}

/// A sentence around the question.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Reworded(Wording);

impl Perturbation for Stored {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let recorded = &scene.item.paraphrases;
        let wording = match self.number {
            Some(number) => recorded.get(number),
            None => recorded.choose(&mut scene.draw("paraphrase")),
        };
        Ok(asking(wording.ok_or(Skip("no such other wording is recorded"))?.clone()))
    }
}

impl Perturbation for Reworded {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let words = LIBRARY.draw(self.0.families, scene, "paraphrase_template")?;
        Ok(asking(fill(&words.wording, &[("question", &scene.item.question)])))
    }
}

fn asking(question: String) -> Perturbed {
    Perturbed { frame: PromptOptions { question: Some(question), ..PromptOptions::default() }, ..Perturbed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::templates::assert_split;

    #[test]
    fn templates_are_split_and_keep_the_question_whole() {
        assert_split(&LIBRARY);
        for Words { wording } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_eq!(wording.matches("{question}").count(), 1, "{wording}");
            // Nothing follows that could turn its meaning.
            assert!(wording.ends_with("{question}"), "{wording}");
        }
    }
}
