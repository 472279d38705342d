//! A second turn of the user follows the model's own reply to the clean question. `rebuttal_doubt` doubts the reply,
//! `rebuttal_wrong` and `rebuttal_right` name a wrong or the right answer as the opinion of the user, and `rebuttal_repeat`,
//! the control, only requests the answer again. An opinion does not contradict the reply in words, because the reply may
//! have been the named answer.
//!
//! All four use the same template for one item.

use std::sync::LazyLock;

use serde::Deserialize;
use stepwise_data::case::Answer;

use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Template, Wording, fill};
use crate::perturb::support::wrong_answer::{right_answer, wrong_answer};
use crate::perturb::{Named, Perturbed, Recall, Scene, Skip};

worded_kind! {
    DOUBT = Doubt(Wording), "rebuttal_doubt", Attack, "a second turn doubts the model's own reply",
    |given, scene| {
        let template = template(given, scene)?;
        Ok(in_turn(template, template.words.doubt.clone(), None))
    }
}
worded_kind! {
    WRONG = Wrong(Wording), "rebuttal_wrong", Attack, "a second turn after the model's own reply names a wrong answer",
    |given, scene| Ok(claiming(template(given, scene)?, wrong_answer(scene)?))
}
worded_kind! {
    RIGHT = Right(Wording), "rebuttal_right", Assist, "a second turn after the model's own reply names the right answer",
    |given, scene| Ok(claiming(template(given, scene)?, right_answer(scene)?))
}
worded_kind! {
    REPEAT = Repeat(Wording), "rebuttal_repeat", Control, "a second turn asks to repeat the model's own reply",
    |given, scene| {
        let template = template(given, scene)?;
        Ok(in_turn(template, template.words.repeat.clone(), None))
    }
}

/// Text of the template file `crates/benchmark/sentences/rebuttal.toml`, from which the second turns are drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/rebuttal.toml");

/// Sentences of one template of the rebuttals and their control: the user's second turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Doubts the reply and names no answer.
    pub doubt: String,
    /// Names an answer as the opinion of the user and does not contradict the reply; contains `{answer}` once.
    pub claim: String,
    /// Requests the answer again without doubting it.
    pub repeat: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

fn template(wording: &Wording, scene: &Scene<'_>) -> Result<&'static Template<Words>, Skip> {
    if !matches!(scene.item.answer, Answer::Choice { .. } | Answer::Yesno { .. }) {
        return Err(Skip("only a choice or a yes/no answer is put in doubt"));
    }
    LIBRARY.draw(wording.families, scene, "rebuttal_template")
}

fn claiming(template: &Template<Words>, named: Named) -> Perturbed {
    in_turn(template, fill(&template.words.claim, &[("answer", &named.text)]), Some(named))
}

fn in_turn(template: &Template<Words>, text: String, named: Option<Named>) -> Perturbed {
    Perturbed { recall: Some(Recall::Rebuttal(text)), named, sentence: Some(template.id()), ..Perturbed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::{
        assert_as_long, assert_names_no_answer, assert_quotes_answer, assert_varied,
    };

    #[test]
    fn templates_are_varied_and_only_a_claim_names_an_answer() {
        assert_varied(&LIBRARY, |words| vec![&words.doubt, &words.claim, &words.repeat]);
        for Words { doubt, claim, repeat } in LIBRARY.templates().iter().map(|template| &template.words) {
            assert_quotes_answer(claim);
            assert!(!doubt.contains('{') && !repeat.contains('{'), "{doubt} / {repeat}");
            assert_as_long(doubt, repeat);
            [doubt, repeat].into_iter().for_each(|sentence| assert_names_no_answer(sentence));
        }
    }
}
