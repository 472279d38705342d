//! From a response to a verdict: right, wrong, or unparsed.
//!
//! Choices and yes/no questions are decided by the **log-likelihood of the option as the whole answer**, summed over its
//! tokens and the end of its turn: the largest wins, the first shown one among equals. With [`Scoring::Letter`] a choice
//! is decided by the probabilities of its letters, averaged over orders of the options; with [`Scoring::Generate`] all
//! answers are generated and parsed. Numbers, texts and boxes are always generated greedily and parsed by the strict
//! parser in [`parse`], which accepts a response as a whole or not at all. Unparsed counts as wrong for accuracy, and
//! never as following a hint.
//!
//! The sum is not divided by a length. Because the end of the turn is scored, no option is the beginning of another, so
//! the sums are log-probabilities of answers that exclude each other: the winner is the likeliest answer among the
//! options, and an option with a probability above one half always wins. lm-evaluation-harness calls the sum `acc` (there
//! without an end). Its `acc_norm` divides by the option's length, because its prompts do not show the options and a long
//! option is only one of many wordings. Here the prompt shows the options. A mean per token would favour long options:
//! once an option has begun, the model copies the rest with a probability near 1, and the copied tokens dilute the one
//! token that decides. A mean would also halve the differences between letters, of which each has one token and its end.

pub mod closeness;

use serde::{Deserialize, Serialize};
use stepwise_data::case::{Answer, Case, Item};
use stepwise_data::prompt::{AnswerForm, Prompt};

use crate::model::{OptionLikelihood, Request, Response};
use flexible::FlexibleAnswer;

pub mod boxes;
pub mod flexible;
pub mod letters;
pub mod parse;
pub mod words;

pub use words::{fold, number_is_right, text_is_right};

/// Version of the rule that decides among options. The version is part of every suite's digest and of every outcome's
/// key, and it is stored in summaries and with every outcome whose options were scored. `options/2` adds the end of the
/// turn and compares sums. `options/1` left the end out and compared means per token, so that an option which begins
/// another one won.
pub const SCORING_VERSION: &str = "options/2";

/// Method by which choices and yes/no questions are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scoring {
    /// Largest log-likelihood of the option and the end of its turn.
    #[default]
    Loglikelihood,
    /// Choices by the probabilities of their letters, averaged over orders of the options; yes/no questions
    /// by log-likelihood.
    Letter,
    /// Generation and the strict parser.
    Generate,
}

impl Scoring {
    /// Returns the name of the method in suite files and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Loglikelihood => "loglikelihood",
            Self::Letter => "letter",
            Self::Generate => "generate",
        }
    }

    /// Returns a description of the method in words for the report.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Loglikelihood => {
                "choice and yes/no: largest log-likelihood of the option and the end of its turn; number, text and box: \
                 greedy generation read by the strict parser"
            }
            Self::Letter => {
                "choice: largest probability of the option's letter, averaged over orders of the options; yes/no: largest \
                 log-likelihood of the option and the end of its turn; number, text and box: greedy generation read by \
                 the strict parser"
            }
            Self::Generate => "greedy generation read by the strict parser",
        }
    }
}

/// Verdict on a response; only [`Verdict::Right`] counts as right in accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The stored answer, within its tolerance.
    Right,
    /// Another answer.
    Wrong,
    /// Not an answer of the expected kind.
    Unparsed,
}

/// A judged response: verdict, answer in canonical words, and chosen option.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Verdict on the response.
    pub verdict: Verdict,
    /// Answer in canonical words; equal answers have equal words. None where unparsed.
    pub answer: Option<String>,
    /// Stored index of the chosen option (for yes/no: 0 is yes, 1 is no); None where unparsed or generated freely.
    pub index: Option<usize>,
    /// Position, from 0, in which that option was shown; None where `index` is None.
    pub position: Option<usize>,
    /// For boxes, the sum of the overlaps (intersection over union) under the greedy matching, divided by the larger of
    /// the numbers of right and given boxes, 0 to 1. None for other answers and where unparsed.
    pub iou: Option<f64>,
}

impl Judged {
    const UNPARSED: Self = Self { verdict: Verdict::Unparsed, answer: None, index: None, position: None, iou: None };
}

/// Returns the request to the model whose response to `prompt` can be judged: scores of the options or, with
/// [`Scoring::Generate`] or where the prompt has no options, a generation of at most `max_new_tokens` tokens.
#[must_use]
pub fn ask(prompt: &Prompt, scoring: Scoring, max_new_tokens: usize) -> Request {
    if prompt.options.is_empty() || scoring == Scoring::Generate {
        Request::Generate { max_new_tokens }
    } else {
        Request::Options(prompt.options.clone())
    }
}

/// Returns the probability, 0 to 1, that a random pick among the options of `prompt` is right; 0 for answers without
/// options.
#[must_use]
pub fn chance(answer: &Answer, prompt: &Prompt) -> f64 {
    match answer {
        Answer::Choice { gold, .. } => {
            let right = prompt.stored.iter().filter(|index| gold.contains(index)).count();
            // No option is right where none is shown.
            right as f64 / prompt.stored.len().max(1) as f64
        }
        Answer::Yesno { .. } => 0.5,
        _ => 0.0,
    }
}

/// Judges the response `reply` to `prompt`, which was made from `item` of `case` with the answer form `form`. Option
/// scores are decided by the largest log-likelihood, the first among equals, and texts are read by the strict parser. A
/// response that is no answer of the expected kind is unparsed; so are a missing response, which a run never judges,
/// and option scores that are NaN or whose number differs from the number of options.
///
/// # Panics
/// When `prompt` names an option that the item lacks.
#[must_use]
pub fn judge(case: &Case, item: &Item, prompt: &Prompt, form: AnswerForm, reply: &Response) -> Judged {
    match reply {
        Response::Missing => Judged::UNPARSED,
        Response::Options(scores) => chosen(item, prompt, most_likely(scores, prompt.options.len())),
        Response::Text(text) => match &item.answer {
            Answer::Choice { .. } | Answer::Yesno { .. } => {
                chosen(item, prompt, parse::option(text, prompt, &item.answer, form))
            }
            Answer::Number { gold, unit, abs_tol, rel_tol } => parse::number(text, unit.as_deref())
                .map_or(Judged::UNPARSED, |value| {
                    generated(number_is_right(value, *gold, *abs_tol, *rel_tol), value.to_string())
                }),
            Answer::Text { gold, aliases } => match fold(text) {
                folded if folded.is_empty() => Judged::UNPARSED,
                folded => generated(text_is_right(text, gold, aliases), folded),
            },
            Answer::Box { gold, iou_ok } => parse::boxes(text, case.box_limits()).map_or(Judged::UNPARSED, |found| {
                let gold = boxes::gold(case, gold);
                let matched = boxes::matched(&found, &gold);
                let mean = matched.iter().sum::<f64>() / found.len().max(gold.len()) as f64;
                let right = found.len() == gold.len() && matched.iter().all(|iou| iou >= iou_ok);
                Judged { iou: Some(mean), ..generated(right, format!("{found:?}")) }
            }),
        },
    }
}

/// Judges the generated text `reply` like [`judge`], but by the flexible reading in [`flexible`], which finds the answer
/// within a chatty response. Returns the verdict with the text as the strict parser would read it; None in place of the
/// text where the reading finds no answer or an option.
///
/// # Panics
/// When `prompt` names an option that the item lacks.
#[must_use]
pub fn judge_flexibly(
    case: &Case,
    item: &Item,
    prompt: &Prompt,
    form: AnswerForm,
    reply: &str,
) -> (Judged, Option<String>) {
    match flexible::read(reply, prompt, &item.answer, form, case.box_limits()) {
        None => (Judged::UNPARSED, None),
        Some(FlexibleAnswer::Option(place)) => (chosen(item, prompt, Some(place)), None),
        Some(FlexibleAnswer::Text(text)) => {
            (judge(case, item, prompt, form, &Response::Text(text.clone())), Some(text))
        }
    }
}

/// Position of the largest log-likelihood, the first among equals. None where a score is NaN, or where there are not as
/// many scores as options.
fn most_likely(scores: &[OptionLikelihood], options: usize) -> Option<usize> {
    if scores.len() != options || scores.is_empty() || scores.iter().any(|score| score.loglikelihood.is_nan()) {
        return None;
    }
    let best = scores.iter().map(|score| score.loglikelihood).fold(f64::NEG_INFINITY, f64::max);
    scores.iter().position(|score| score.loglikelihood == best)
}

fn chosen(item: &Item, prompt: &Prompt, position: Option<usize>) -> Judged {
    let Some((position, &index)) = position.and_then(|position| Some((position, prompt.stored.get(position)?))) else {
        return Judged::UNPARSED;
    };
    let (right, words) = match &item.answer {
        Answer::Choice { options, gold, .. } => (gold.contains(&index), options[index].clone()),
        Answer::Yesno { gold, .. } => (usize::from(!gold) == index, prompt.options[position].clone()),
        _ => return Judged::UNPARSED,
    };
    Judged { index: Some(index), position: Some(position), ..generated(right, words) }
}

fn generated(right: bool, answer: String) -> Judged {
    let verdict = if right { Verdict::Right } else { Verdict::Wrong };
    Judged { verdict, answer: Some(answer), ..Judged::UNPARSED }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: &[(f64, usize)]) -> Vec<OptionLikelihood> {
        values.iter().map(|&(loglikelihood, tokens)| OptionLikelihood { loglikelihood, tokens }).collect()
    }

    #[test]
    fn a_question_without_options_has_no_chance() {
        let answer = Answer::Choice { options: vec!["a".into(), "b".into()], gold: vec![0], refusal: None };
        let conversation = stepwise_data::conversation::Conversation::default();
        let prompt = Prompt { conversation, images: vec![], options: vec![], stored: vec![], answer: String::new() };
        assert_eq!(chance(&answer, &prompt), 0.0);
        assert_eq!(chance(&answer, &Prompt { stored: vec![1, 0], ..prompt }), 0.5);
    }

    #[test]
    fn the_sum_decides_whatever_the_length_and_the_first_wins_a_draw() {
        // "no" is said with a probability of 0.6; the long option has 0.3, of which its first token takes all.
        assert_eq!(most_likely(&scores(&[(0.3f64.ln(), 8), (0.6f64.ln(), 2)]), 2), Some(1));
        assert_eq!(most_likely(&scores(&[(-3.0, 2), (-2.0, 9), (-2.0, 2)]), 3), Some(1));
        assert_eq!(most_likely(&scores(&[(f64::NEG_INFINITY, 1), (-4.0, 2)]), 2), Some(1));
    }

    #[test]
    fn broken_scores_are_unparsed_never_a_guess() {
        assert_eq!(most_likely(&scores(&[(f64::NAN, 1), (-4.0, 2)]), 2), None);
        assert_eq!(most_likely(&scores(&[(-1.0, 1)]), 2), None);
        assert_eq!(most_likely(&[], 0), None);
    }
}
