//! Normalised answer texts: which spellings are the same answer. The benchmark's parser and the check of cases both
//! compare answers by [`fold`], so no case can have options that the parser cannot tell apart.

mod characters;
mod emphasis;
mod faults;
mod primes;
mod signs;
#[cfg(test)]
mod tests;

use unicode_normalization::UnicodeNormalization;

use characters::{is_mark, is_of_word, is_separator};

pub use characters::{canonical, is_invisible};
pub use faults::{TextFault, answer_fault, control_fault, text_fault};

/// Returns an answer text in normalised form. Texts with the same result are the same answer: "X-ray." and "x ray",
/// "5%" and "5 %", composed and decomposed "é", "µm" with either mu.
///
/// Characters are first unified by [`canonical`]. Letters become lower case; runs of white space and of punctuation
/// that only dresses a text (full stops, commas, quotes, brackets, hyphens between words, question and exclamation
/// marks, markdown emphasis) become one space. Everything else is kept, because it changes the meaning: all words,
/// signs such as `<`, `+`, `%`, `°`, `*`, `/` and arrows, superscripts and subscripts, the point of "1.5", primes, also
/// those typed as quotes after a digit ("5'"), and the minus of "-2", of "HER2-" and of "-ve". A text that consists of dress alone, such as "?" or "(-)", gives the empty
/// text.
#[must_use]
pub fn fold(text: &str) -> String {
    // Composed first, so that composed and decomposed texts are one text from here on.
    let composed: String = text.nfc().collect();
    let unified = primes::unified(&emphasis::removed(&canonical(&composed)));
    let characters: Vec<char> = unified.trim().chars().collect();
    let at = |place: usize| characters.get(place).copied();
    let mut folded = String::with_capacity(text.len());
    let (mut place, mut before) = (0, None);
    while let Some(character) = at(place) {
        // A character and the marks on it stay or go together.
        let end = place + 1 + characters[place + 1..].iter().take_while(|mark| is_mark(**mark)).count();
        let whole = &characters[place..end];
        let next = [at(end), at(end + 1)];
        if signs::is_suffix_minus(character, before, next, &folded) {
            // "HER2-", "HER2 -" and "HER2 (-)" are one spelling.
            folded.truncate(folded.trim_end().len());
            folded.push('-');
        } else if is_of_word(character) || signs::is_of_number(character, before, next) {
            folded.extend(whole.iter().flat_map(|character| character.to_lowercase()).map(final_sigma));
        } else {
            push_space(&mut folded);
            if !is_separator(character) {
                folded.extend(whole);
                folded.push(' ');
            }
        }
        (place, before) = (end, Some(character));
    }
    // Lower case can make a letter and its mark composable.
    folded.trim().nfc().collect()
}

/// Appends a space unless the text is empty or ends with one.
fn push_space(text: &mut String) {
    if !text.is_empty() && !text.ends_with(' ') {
        text.push(' ');
    }
}

/// Sigma has a second lower-case form at the end of a word.
fn final_sigma(character: char) -> char {
    if character == 'ς' { 'σ' } else { character }
}
