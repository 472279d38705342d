//! Faults of texts that the model is shown or scored on. Cases and recipes are checked by the same rules.

use super::{fold, is_invisible};

/// What is wrong with a text, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFault {
    /// Description of the fault.
    pub what: String,
    /// Advice on how to correct it.
    pub advice: &'static str,
}

/// Returns the fault of a question, an answer or a unit that is empty, contains a control character, or starts or ends
/// with white space or an invisible character: those change the tokens of the text, and so the scores of options. None
/// for a sound text.
#[must_use]
pub fn text_fault(text: &str) -> Option<TextFault> {
    let fault = |what: String, advice| Some(TextFault { what, advice });
    let bare = text.trim_matches(|character: char| character.is_whitespace() || is_invisible(character));
    if bare.is_empty() {
        return fault("is empty".into(), "fill it in");
    }
    if bare.len() < text.len() {
        let what = "starts or ends with white space or an invisible character";
        return fault(what.into(), "remove it, because it changes what the model is shown and scored on");
    }
    control_fault(text)
}

/// Returns the fault of an answer: one of [`text_fault`], or a text of which the parser of answers keeps nothing. None
/// for a sound answer.
#[must_use]
pub fn answer_fault(text: &str) -> Option<TextFault> {
    text_fault(text).or_else(|| {
        fold(text).is_empty().then(|| TextFault {
            what: format!("{text:?} is no answer to the parser, which ignores punctuation"),
            advice: "write the answer in words",
        })
    })
}

/// Returns the fault of a text with a control character other than a line feed or a tab. A terminal acts on such
/// characters, and they never belong to a question or a name. None for a text without one.
#[must_use]
pub fn control_fault(text: &str) -> Option<TextFault> {
    let control = text.chars().find(|character| character.is_control() && !matches!(character, '\n' | '\t'))?;
    Some(TextFault {
        what: format!("contains the control character U+{:04X}", u32::from(control)),
        advice: "remove it, or write a space or a line feed (\\n) instead",
    })
}
