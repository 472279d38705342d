//! Characters with several spellings, and the classes of characters that [`super::fold`] tells apart.

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Characters that NFKC may replace: their compatibility forms differ in width, style or position only. NFKC as a whole is
/// not safe for answers: it turns superscripts, subscripts and fractions into plain digits ("10²" into "102", "1½" into
/// "11⁄2"), and circled digits, trade marks and square units with an exponent ("㎡") likewise.
pub(super) const COMPATIBLE: [RangeInclusive<char>; 20] = [
    '\u{B5}'..='\u{B5}',       // micro sign
    '\u{3D0}'..='\u{3D6}',     // variants of Greek letters
    '\u{3F0}'..='\u{3F1}',     // variants of Greek letters
    '\u{3F4}'..='\u{3F5}',     // variants of Greek letters
    '\u{2100}'..='\u{211F}',   // degrees Celsius and Fahrenheit, letters in other styles
    '\u{2124}'..='\u{2138}',   // letters in other styles
    '\u{2160}'..='\u{217F}',   // Roman numerals
    '\u{3371}'..='\u{3377}',   // units in one square, as all up to U+33DF that have no exponent
    '\u{3380}'..='\u{339E}',   // units
    '\u{33A7}'..='\u{33A7}',   // metres per second
    '\u{33A9}'..='\u{33AE}',   // units
    '\u{33B0}'..='\u{33DF}',   // units
    '\u{FB00}'..='\u{FB1C}',   // ligatures
    '\u{FB20}'..='\u{FB28}',   // wide Hebrew letters
    '\u{FB4F}'..='\u{FDF9}',   // ligatures and forms of Hebrew and Arabic letters
    '\u{FE30}'..='\u{FE4F}',   // vertical forms
    '\u{FE50}'..='\u{FE6B}',   // small forms
    '\u{FE80}'..='\u{FEFC}',   // forms of Arabic letters
    '\u{FF01}'..='\u{FFEE}',   // full-width and half-width forms
    '\u{1D400}'..='\u{1D7FF}', // letters and digits in mathematical styles
];

/// Signs written with several ASCII characters, longest first.
const DIGRAPHS: [(&str, &str); 7] =
    [("+/-", "±"), ("<->", "↔"), ("-->", "→"), ("->", "→"), ("<=", "≤"), (">=", "≥"), ("!=", "≠")];

/// Returns the text with spellings of the same characters unified and everything else kept: NFC; compatibility forms of
/// letters, digits and units; dashes and minus signs as `-`, the multiplication sign as `x`; invisible characters
/// removed; `<=` as `≤`, `->` as `→`, `<-` as `←` and the like. `<-` before a number stays: it is less than a negative
/// number.
#[must_use]
pub fn canonical(text: &str) -> String {
    let mut unified = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !is_invisible(*character)) {
        if COMPATIBLE.iter().any(|range| range.contains(&character)) {
            decompose_compatible(character, |part| unified.push(same(part)));
        } else {
            unified.push(same(character));
        }
    }
    left_arrows(DIGRAPHS.iter().fold(unified.nfc().collect(), |text: String, (many, one)| text.replace(many, one)))
}

/// Replaces `<-` and `<--` by `←`, except before a number: "<-5" is less than minus five.
fn left_arrows(text: String) -> String {
    let mut parts = text.split("<-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |joined, part| {
        if part.starts_with(|next: char| next.is_ascii_digit() || next == '.') {
            joined + "<-" + part
        } else {
            joined + "←" + part.strip_prefix('-').unwrap_or(part)
        }
    })
}

/// Replaces a character by the usual character of the same meaning.
fn same(character: char) -> char {
    match character {
        // Hyphens, dashes and minus signs.
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        // Division and fraction slashes.
        '\u{2044}' | '\u{2215}' => '/',
        // The ring above and the masculine ordinal are typed for the degree sign.
        '\u{2DA}' | '\u{BA}' => '°',
        // The multiplication sign in sizes, often typed as a letter.
        '×' => 'x',
        '\u{2BC}' => '\'',
        '\u{2206}' => 'Δ',
        '\u{2217}' => '*',
        '\u{2223}' => '|',
        '\u{2236}' => ':',
        '\u{223C}' => '~',
        '\u{2266}' | '\u{2A7D}' => '≤',
        '\u{2267}' | '\u{2A7E}' => '≥',
        other => other,
    }
}

/// Returns whether a character shows nothing and separates nothing: joiners, marks of the writing direction, the soft
/// hyphen, the byte order mark, variation selectors.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Returns whether a character is a combining mark, which belongs to the character before it.
pub(super) fn is_mark(character: char) -> bool {
    is_combining_mark(character)
}

/// Returns whether a character is part of a word or a number: a letter, a digit or a mark on one.
pub(super) fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || is_mark(character)
}

/// Returns whether a character only separates words or dresses a text: white space, control characters, and punctuation
/// without a meaning of its own.
pub(super) fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '.' | ',' | ';' | ':' | '!' | '?' | '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '{' | '}' | '-' | '_'
        )
        || matches!(
            character,
            '¡' | '¿' | '«' | '»' | '\u{B4}' | '\u{2018}'..='\u{201F}' | '\u{2022}'..='\u{2027}' | '‹' | '›' | '\u{2043}'
        )
        || matches!(
            character,
            // Punctuation of Armenian, Arabic, Indic and East Asian scripts.
            '\u{589}' | '\u{60C}' | '\u{61B}' | '\u{61F}' | '\u{6D4}' | '\u{964}' | '\u{965}' | '\u{3001}'..='\u{3003}'
                | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301F}' | '\u{30FB}'
        )
}
