//! The flexible reading of generated responses: the answer within a chatty reply, such as "The answer is B.".
//!
//! The reading stands beside the strict parser and never in place of it, like the filters `strict-match` and
//! `flexible-extract` of lm-evaluation-harness. A response that the strict parser accepts has the same answer in both.
//! From any other response the reading takes spans that state an answer:
//!
//! 1. the text of the last `<answer>` tag or `\boxed{...}`; without one,
//! 2. the text after "answer is", "answer:", "option" and the like,
//! 3. the first clause ("Yes, there is an effusion.", "B. MRI" before an explanation), and
//! 4. the last line, after reasoning.
//!
//! Text within `<think>` tags is left out. All spans that name an answer must name the same one. A negation ("No, not
//! MRI"), a hedge ("it might be MRI"), or two options in one span make the response unparsed, as in the strict parser.

mod options;
mod signs;
mod spans;

use stepwise_data::case::Answer;
use stepwise_data::prompt::{AnswerForm, Prompt};

use super::parse;

/// Version of the rules of the flexible reading. It is stored with every outcome that this reading judged, in place of
/// the strict parser's version, so that the two are never compared.
pub const FLEXIBLE_VERSION: &str = "flexible/1";

/// Answer that the flexible reading finds in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlexibleAnswer {
    /// Position of the option named, from 0 in the order shown.
    Option(usize),
    /// Number, boxes or text in the form that the strict parser reads.
    Text(String),
}

/// Finds the answer to `prompt` in `reply`, where `answer` is the stored answer of the question (its kind, options and
/// unit decide what counts) and `form` the form of choices. None where no answer, or more than one, is named.
#[must_use]
pub fn read(
    reply: &str,
    prompt: &Prompt,
    answer: &Answer,
    form: AnswerForm,
    limits: [u32; 2],
) -> Option<FlexibleAnswer> {
    let reply = spans::without_reasoning(reply);
    let reply = spans::tagged(reply).unwrap_or(reply);
    match answer {
        Answer::Choice { .. } | Answer::Yesno { .. } => {
            options::option(reply, prompt, answer, form).map(FlexibleAnswer::Option)
        }
        Answer::Number { unit, .. } => number(reply, unit.as_deref()).map(FlexibleAnswer::Text),
        Answer::Box { .. } => boxes(reply, limits).map(FlexibleAnswer::Text),
        Answer::Text { .. } => {
            let stated = spans::stated(reply).into_iter().next_back().unwrap_or(reply);
            Some(FlexibleAnswer::Text(stated.to_owned()))
        }
    }
}

/// Finds the only number of the span that states it, with its unit if there is one. Words of approximation ("about 5
/// mm") count as the number. None where a span holds several numbers, or a number in another unit.
fn number(reply: &str, unit: Option<&str>) -> Option<String> {
    if parse::number(reply, unit).is_some() {
        return Some(reply.to_owned());
    }
    if signs::declines(reply) {
        return None;
    }
    let stated = spans::stated(reply);
    let spans = if stated.is_empty() { vec![reply] } else { stated };
    let mut found: Option<String> = None;
    for span in spans.into_iter().filter(|span| span.contains(|character: char| character.is_ascii_digit())) {
        let value = signs::only_number(span, unit).filter(|_| !signs::negates(span))?;
        if found.as_ref().is_some_and(|earlier| *earlier != value) {
            return None;
        }
        found = Some(value);
    }
    found
}

/// Finds the boxes of the response, whatever words are around them. None without a box, or where a bracket holds
/// anything else.
fn boxes(reply: &str, limits: [u32; 2]) -> Option<String> {
    let mut rest = reply;
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once('[') {
        let (inside, after) = after.split_once(']')?;
        found.push(format!("[{inside}]"));
        rest = after;
    }
    let text = found.join(", ");
    (!signs::declines(reply) && !signs::negates(reply) && parse::boxes(&text, limits).is_some()).then_some(text)
}

#[cfg(test)]
mod tests;
