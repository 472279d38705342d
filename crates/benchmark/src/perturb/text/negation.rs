//! Yes/no questions about the same fact in negated form. `negated_twin` uses the negated question that the case
//! records. `negation` asks whether "no" is the answer, which inverts the right answer of every yes/no question.
//! `affirmation`, its control, asks in the same words whether "yes" is the answer.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::case::{Answer, Item};

use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Template, Wording, fill};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, Skip};

/// Entry in the registry of conditions, by which a suite file names `negated_twin`: the negated version of a yes/no
/// question, which the case records, is asked instead.
pub const TWIN: PerturbationKind =
    PerturbationKind::of::<Twin>("negated_twin", Purpose::Attack, "the recorded negated version of a yes/no question");
worded_kind! {
    NEGATED = Negated(Wording), "negation", Attack, "whether \"no\" is the answer to the yes/no question",
    |given, scene| {
        let gold = gold(scene)?;
        let template = template(given, scene)?;
        Ok(asking_about(scene, template, &template.words.negated, !gold))
    }
}
worded_kind! {
    AFFIRMED = Affirmed(Wording), "affirmation", Control, "whether \"yes\" is the answer to the yes/no question",
    |given, scene| {
        let gold = gold(scene)?;
        let template = template(given, scene)?;
        Ok(asking_about(scene, template, &template.words.affirmed, gold))
    }
}

/// Text of the template file `crates/benchmark/sentences/negation.toml`, from which the questions are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/negation.toml");

/// Sentences of one template of `negation` and `affirmation`: two questions about the answer to a yes/no question.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Asks whether the answer is "no"; contains `{question}` once.
    pub negated: String,
    /// Asks whether the answer is "yes"; contains `{question}` once.
    pub affirmed: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Perturbation `negated_twin`: asks the negated yes/no question that the case records instead of the stored one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {}

impl Perturbation for Twin {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        gold(scene)?;
        let Answer::Yesno { pair_of: Some(twin), .. } = &scene.item.answer else {
            return Err(Skip("no negated twin is recorded"));
        };
        let twin = scene.case.chain.iter().find(|other| other.id == *twin);
        let Some((twin, Answer::Yesno { gold, .. })) = twin.map(|twin| (twin, &twin.answer)) else {
            return Err(Skip("no negated twin is recorded"));
        };
        Ok(asking(scene, twin.question.clone(), *gold))
    }
}

fn gold(scene: &Scene<'_>) -> Result<bool, Skip> {
    match scene.item.answer {
        Answer::Yesno { gold, .. } => Ok(gold),
        _ => Err(Skip("only a yes/no question has a negation")),
    }
}

fn template(wording: &Wording, scene: &Scene<'_>) -> Result<&'static Template<Words>, Skip> {
    LIBRARY.draw(wording.families, scene, "negation_template")
}

fn asking_about(scene: &Scene<'_>, template: &Template<Words>, wording: &str, gold: bool) -> Perturbed {
    let question = fill(wording, &[("question", &scene.item.question)]);
    Perturbed { sentence: Some(template.id()), ..asking(scene, question, gold) }
}

fn asking(scene: &Scene<'_>, question: String, gold: bool) -> Perturbed {
    let answer = Answer::Yesno { gold, pair_of: None };
    // Recorded paraphrases belong to the stored question and are dropped.
    let item = Item { question, answer, paraphrases: Vec::new(), ..scene.item.clone() };
    Perturbed { item: Some(item), ..Perturbed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::assert_varied;

    #[test]
    fn templates_are_varied_and_differ_in_the_answer_alone() {
        assert_varied(&LIBRARY, |words| vec![&words.negated, &words.affirmed]);
        for Words { negated, affirmed } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_eq!(
                (negated.matches("\"{question}\"").count(), negated.matches("\"no\"").count()),
                (1, 1),
                "{negated}"
            );
            assert_eq!(negated.replace("\"no\"", "\"yes\""), *affirmed);
        }
    }

    /// Words of the new question follow the stored one, so that "Answer yes or no." is about the new question.
    #[test]
    fn the_new_question_ends_after_the_stored_one() {
        for Words { negated, .. } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert!(negated.ends_with('?') && !negated.ends_with("{question}\"?"), "{negated}");
        }
    }
}
