//! Points and minus signs that belong to a number or a word, told apart from full stops and hyphens by their neighbours.

use super::characters::{is_mark, is_of_word};

/// Returns whether `character` belongs to the number around it: the point, comma or colon of "1.5", "1,5" and "1:2",
/// the point of ".5", and the minus of "-2" and "-.5". A minus that starts the text belongs to the word after it, as in
/// "-ve". `before` is the character before it and `next` are the two after it; None beyond the ends of the text.
pub(super) fn is_of_number(character: char, before: Option<char>, next: [Option<char>; 2]) -> bool {
    let is_digit = |character: Option<char>| character.is_some_and(|character| character.is_ascii_digit());
    let is_in_word = |character: Option<char>| character.is_some_and(is_of_word);
    match character {
        '.' | ',' | ':' if is_digit(before) => is_digit(next[0]),
        '.' => !is_in_word(before) && before != Some('.') && is_digit(next[0]),
        '-' if before.is_none() && is_in_word(next[0]) => true,
        '-' => !is_in_word(before) && (is_digit(next[0]) || next[0] == Some('.') && is_digit(next[1])),
        _ => false,
    }
}

/// Returns whether `character` is the minus of a negative finding: after a word as in "HER2-", in brackets as in "HER2
/// (-)", or alone at the end of a phrase as in "HER2 -, ER +". `before` is the character before it and `next` are the
/// two after it; None beyond the ends of the text. `folded` is the folded text before it; without a word there is
/// nothing to negate.
pub(super) fn is_suffix_minus(character: char, before: Option<char>, next: [Option<char>; 2], folded: &str) -> bool {
    let [next, after] = next;
    let is_point = next == Some('.') && after.is_some_and(|after| after.is_ascii_digit());
    let is_in_word = |character: Option<char>| character.is_some_and(is_of_word);
    let in_brackets = before == Some('(') && next == Some(')');
    let ends = next.is_none_or(|next| ".,;)".contains(next)) && !is_point;
    let at_end = before.is_some_and(char::is_whitespace) && ends;
    let ends_in_word =
        || folded.trim_end().chars().rev().find(|last| !is_mark(*last)).is_some_and(char::is_alphanumeric);
    let after_word = || (in_brackets || at_end) && ends_in_word();
    character == '-' && (is_in_word(before) && !is_in_word(next) || after_word())
}
