//! Counts: questions that ask how many, and numbers in digits or words.

use stepwise_data::answer_text::fold;

/// Wordings that ask for a count, in normalised form.
const HOW_MANY: &[&str] =
    &["how many", "what is the number of", "what number of", "count the", "多少", "几个", "几处", "几条", "几只"];

/// Number words from 0 on.
const WORDS: &[&str] =
    &["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

/// Chinese numerals from 0 on.
const NUMERALS: &[&str] = &["零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];

/// Returns whether a question asks how many of something there are.
pub(super) fn asks_how_many(question: &str) -> bool {
    let question = fold(question);
    HOW_MANY.iter().any(|wording| question.contains(wording))
}

/// Returns the number that a text consists of; None for any other text.
pub(super) fn read(text: &str) -> Option<f64> {
    let folded = fold(text);
    let bare = ["个", "处", "条", "只"].iter().find_map(|unit| folded.strip_suffix(unit)).unwrap_or(&folded).trim();
    if bare == "两" {
        return Some(2.0);
    }
    let word = WORDS.iter().position(|word| *word == bare).or_else(|| NUMERALS.iter().position(|word| *word == bare));
    match word {
        Some(number) => Some(number as f64),
        // `parse` also reads "inf" and "nan".
        None if bare.starts_with(|first: char| first.is_ascii_digit()) => {
            bare.parse().ok().filter(|number: &f64| number.is_finite())
        }
        None => None,
    }
}
