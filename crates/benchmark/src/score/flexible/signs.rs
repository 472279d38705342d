//! Signs that a span states no answer: negations, hedges and refusals; and the numbers in a span.

use stepwise_data::answer_text::canonical;

use crate::score::parse;

/// Words that negate.
const NEGATIONS: [&str; 12] =
    ["not", "no", "never", "neither", "nor", "none", "without", "cannot", "absent", "excluded", "incorrect", "wrong"];

/// Words and phrases that leave an answer open.
const HEDGES: [&str; 24] = [
    "maybe",
    "perhaps",
    "possibly",
    "possible",
    "probably",
    "probable",
    "might",
    "may",
    "could",
    "likely",
    "unlikely",
    "seems",
    "seem",
    "appears",
    "suspect",
    "suspected",
    "i think",
    "i guess",
    "i believe",
    "either",
    "suggests",
    "suggestive",
    "presumably",
    "or",
];

/// Phrases by which a response declines to answer, wherever they stand.
const REFUSALS: [&str; 16] = [
    "not sure",
    "unsure",
    "uncertain",
    "unclear",
    "cannot determine",
    "cannot be determined",
    "can't determine",
    "unable to",
    "i don't know",
    "i do not know",
    "cannot answer",
    "can't answer",
    "i cannot",
    "i can't",
    "hard to say",
    "difficult to say",
];

/// Returns whether the text has one of `phrases` as whole words. Apostrophes are part of a word.
fn has(text: &str, phrases: &[&str]) -> bool {
    let words = spaced(text);
    phrases.iter().any(|phrase| words.contains(&format!(" {phrase} ")))
}

/// Words of `text` in lower case, each with a space on both sides.
fn spaced(text: &str) -> String {
    let text = canonical(text).to_lowercase().replace('\u{2019}', "'");
    let words: Vec<&str> = text.split(|sign: char| !sign.is_alphanumeric() && sign != '\'').collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// Returns whether the span negates something.
pub(super) fn negates(span: &str) -> bool {
    has(span, &NEGATIONS) || spaced(span).contains("n't ")
}

/// Returns whether the span leaves its answer open.
pub(super) fn hedges(span: &str) -> bool {
    has(span, &HEDGES)
}

/// Returns whether the response as a whole declines to answer.
pub(super) fn declines(reply: &str) -> bool {
    has(reply, &REFUSALS)
}

/// Returns whether the text has the word `wanted`, whatever the case.
pub(super) fn has_word(text: &str, wanted: &str) -> bool {
    has(text, &[wanted])
}

/// Returns the only number in `span`, with `unit` after it or without a unit; None where there are none or several, or
/// where another unit of length, volume or share follows.
pub(super) fn only_number(span: &str, unit: Option<&str>) -> Option<String> {
    let text = canonical(span);
    let mut found = None;
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|sign: char| sign.is_ascii_digit()) {
        let signed = rest[..start].ends_with('-') && !rest[..start - 1].ends_with(char::is_alphanumeric);
        let part_of_word = rest[..start].ends_with(char::is_alphabetic);
        let end = rest[start..]
            .find(|sign: char| !sign.is_ascii_digit() && !".,eE".contains(sign))
            .map_or(rest.len(), |length| start + length);
        let digits = rest[start..end].trim_end_matches(['.', ',']);
        if found.is_some() || part_of_word {
            return None;
        }
        let after = rest[start + digits.len()..].trim_start();
        if other_unit(after, unit) {
            return None;
        }
        let number = if signed { format!("-{digits}") } else { digits.to_owned() };
        found = Some(number).filter(|number| parse::number(number, None).is_some());
        found.as_ref()?;
        rest = &rest[end..];
    }
    found
}

/// Units that may follow a number; another one than the question's is another quantity.
const UNITS: [&str; 16] =
    ["mm", "cm", "m", "µm", "um", "nm", "ml", "cl", "l", "cc", "mg", "g", "kg", "%", "percent", "inches"];

/// Whether `after` begins with one of [`UNITS`] that is not `unit`.
fn other_unit(after: &str, unit: Option<&str>) -> bool {
    let own = unit.map(canonical);
    if own.as_ref().is_some_and(|own| after.starts_with(own.as_str())) {
        return false;
    }
    let word: String = after.chars().take_while(|sign| sign.is_alphabetic() || *sign == '%').collect();
    UNITS.iter().any(|other| canonical(other) == word.to_lowercase()) || (after.starts_with('%'))
}
