//! The same question in other words. `paraphrase` uses a paraphrase recorded in the case. `reworded` puts a sentence
//! before the stored question that does not change its meaning, and applies to every question.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::prompt::PromptOptions;

use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Wording, fill};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Entry in the registry of conditions, by which a suite file names `paraphrase`: the question is asked in the words of
/// a paraphrase that the case records.
pub const STORED: PerturbationKind =
    PerturbationKind::of::<Stored>("paraphrase", Purpose::Attack, "a recorded paraphrase of the question");
worded_kind! {
    REWORDED = Reworded(Wording), "reworded", Attack, "the question inside a sentence that does not change its meaning",
    |given, scene| {
        let template = LIBRARY.draw(given.families, scene, "paraphrase_template")?;
        let question = fill(&template.words.wording, &[("question", &scene.item.question)]);
        Ok(Perturbed { sentence: Some(template.id()), ..asking(question) })
    }
}

/// Text of the template file `crates/benchmark/sentences/paraphrase.toml`, from which the wordings are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/paraphrase.toml");

/// Sentence of one template of `reworded`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Sentence that ends with the question; contains `{question}` once.
    pub wording: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Perturbation `paraphrase`: asks in the words of a paraphrase that the case records.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stored {
    /// Index of the recorded paraphrase, from 0; items without this paraphrase are skipped. None draws one of the
    /// recorded paraphrases.
    pub number: Option<usize>,
}

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

fn asking(question: String) -> Perturbed {
    Perturbed { frame: PromptOptions { question: Some(question), ..PromptOptions::default() }, ..Perturbed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::{assert_names_no_answer, assert_varied};

    #[test]
    fn templates_are_varied_and_keep_the_question_whole() {
        assert_varied(&LIBRARY, |words| vec![&words.wording]);
        for Words { wording } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_names_no_answer(wording);
            assert_eq!(wording.matches("{question}").count(), 1, "{wording}");
            // No words follow the question that could change its meaning.
            assert!(wording.ends_with("{question}"), "{wording}");
        }
    }
}
