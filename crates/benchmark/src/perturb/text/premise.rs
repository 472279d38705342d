//! The question presupposes an answer to an earlier question: a wrong answer in `premise_false`, the right answer in
//! `premise_true`, the control. Both add an option that rejects the premise. This option is right in `premise_false`
//! and wrong in `premise_true`.
//!
//! The earlier question is one that the item builds on. The false premise contradicts its recorded answer, so the
//! premise is certainly false.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::case::{Answer, Item};

use super::none_above::with_option;
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Wording, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbed, Scene, Skip};

worded_kind! {
    FALSE = False(Wording), "premise_false", Attack, "the question presupposes something false, and an option that says so is right",
    |given, scene| {
        let (parent, wrong) = presupposable(scene)?;
        let (mut item, rejection) = asked(given, scene, parent, &wrong)?;
        if let Answer::Choice { gold, .. } = &mut item.answer {
            *gold = vec![rejection];
        }
        Ok(Perturbed { item: Some(item), ..Perturbed::default() })
    }
}
worded_kind! {
    TRUE = True(Wording), "premise_true", Control, "the question presupposes something true, and an option that denies it is wrong",
    |given, scene| {
        let (parent, _) = presupposable(scene)?;
        let (item, _) = asked(given, scene, parent, &right_answer(&Scene { item: parent, ..*scene })?)?;
        Ok(Perturbed { item: Some(item), ..Perturbed::default() })
    }
}

/// Text of the template file `crates/benchmark/sentences/premise.toml`, from which premises and options are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/premise.toml");

/// Sentences of one template of `premise_false` and `premise_true`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Question with a premise; contains `{asked}` (the earlier question), `{answer}` (the presupposed answer to it)
    /// and `{question}` (the item's own question) once each.
    pub premise: String,
    /// Option that rejects the premise.
    pub option: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

/// Draws a question that the item builds on, and a wrong answer to it; the same for both kinds. Questions about
/// findings (stage 2 and later) are preferred.
fn presupposable<'a>(scene: &Scene<'a>) -> Result<(&'a Item, Named), Skip> {
    if scene.item.stage < 2 {
        return Err(Skip("the first stage presupposes nothing"));
    }
    let mut known: Vec<(&Item, Named)> = scene
        .case
        .chain
        .iter()
        .filter(|other| scene.item.parents.contains(&other.id))
        .filter_map(|parent| Some((parent, certainly_wrong(&Scene { item: parent, ..*scene })?)))
        .collect();
    if known.iter().any(|(parent, _)| parent.stage >= 2) {
        known.retain(|(parent, _)| parent.stage >= 2);
    }
    known.choose(&mut scene.draw("premise_parent")).cloned().ok_or(Skip("it builds on no question with a wrong answer"))
}

/// Returns a wrong answer to a choice or yes/no question. None for other answers, and for choices whose abstain option
/// is right or would be the wrong answer.
fn certainly_wrong(scene: &Scene<'_>) -> Option<Named> {
    let refusal = match &scene.item.answer {
        Answer::Choice { gold, refusal, .. } if !refusal.is_some_and(|refusal| gold.contains(&refusal)) => *refusal,
        Answer::Yesno { .. } => None,
        _ => return None,
    };
    wrong_answer(scene).ok().filter(|wrong| refusal.is_none() || wrong.index != refusal)
}

fn asked(wording: &Wording, scene: &Scene<'_>, parent: &Item, answer: &Named) -> Result<(Item, usize), Skip> {
    let Answer::Choice { options, gold, refusal } = &scene.item.answer else {
        return Err(Skip("only a choice has room for an option that rejects the premise"));
    };
    let words = &LIBRARY.draw(wording.families, scene, "premise_template")?.words;
    let (mut item, rejection) = with_option(scene.item, options, gold, *refusal, &words.option)?;
    let gaps = [("asked", parent.question.as_str()), ("answer", &answer.text), ("question", &scene.item.question)];
    item.question = fill(&words.premise, &gaps);
    Ok((item, rejection))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::assert_split;

    #[test]
    fn templates_are_split_and_hold_every_gap_once() {
        assert_split(&LIBRARY);
        for Words { premise, option } in LIBRARY.templates().iter().map(|template| &template.words) {
            for gap in ["{asked}", "{answer}", "{question}"] {
                assert_eq!(premise.matches(gap).count(), 1, "{premise}");
            }
            assert!(!option.contains('{'), "{option}");
        }
    }
}
