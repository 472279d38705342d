//! Equality of answers: texts and numbers.

/// Normalises a text: lower case, no punctuation, runs of white space as one space. "X-ray." and "x ray" become equal.
/// All words are kept, so "no effusion" and "effusion" stay different. Signs that change the meaning are kept as well:
/// "< 5 mm" is not "> 5 mm", "HER2+" is not "HER2", "-2" is not "2".
#[must_use]
pub fn fold(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_minus = matches!(character, '-' | '\u{2212}')
            && !before.is_alphanumeric()
            && characters.peek().is_some_and(char::is_ascii_digit);
        match character {
            _ if character.is_alphanumeric() => spaced.extend(character.to_lowercase()),
            _ if is_minus => spaced.push_str(" -"),
            '<' | '>' | '≤' | '≥' | '±' | '+' => spaced.extend([' ', character, ' ']),
            _ => spaced.push(' '),
        }
        before = character;
    }
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether `text` equals a right text of `gold` or one of the `aliases` after [`fold`].
#[must_use]
pub fn text_is_right(text: &str, gold: &[String], aliases: &[String]) -> bool {
    let folded = fold(text);
    gold.iter().chain(aliases).any(|right| fold(right) == folded)
}

/// Returns whether `value` lies within the larger of the two tolerances of `gold`, limits included: `abs_tol`, in the
/// unit of the values, or `rel_tol` times the absolute value of `gold`. A tolerance that is None is 0; with both None
/// the values must be equal.
#[must_use]
pub fn number_is_right(value: f64, gold: f64, abs_tol: Option<f64>, rel_tol: Option<f64>) -> bool {
    let tolerance = abs_tol.unwrap_or(0.0).max(rel_tol.unwrap_or(0.0) * gold.abs());
    (value - gold).abs() <= tolerance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_drops_dress_and_keeps_words() {
        assert_eq!(fold("  X-ray.\n"), "x ray");
        assert_eq!(fold("ÖDEM, left"), "ödem left");
        assert_ne!(fold("no effusion"), fold("effusion"));
        assert_ne!(fold("None"), fold("No"));
        assert_eq!(fold("T1-weighted, grade 1-2"), "t1 weighted grade 1 2");
    }

    #[test]
    fn signs_that_change_the_meaning_are_kept() {
        for (one, other) in
            [("<5 mm", "> 5 mm"), ("≤3", "<3"), ("HER2+", "HER2"), ("-2", "2"), ("\u{2212}2 SD", "2 SD")]
        {
            assert_ne!(fold(one), fold(other), "{one} and {other}");
        }
        assert_eq!((fold("<5mm."), fold("-2"), fold("\u{2212}2")), ("< 5mm".into(), "-2".into(), "-2".into()));
    }

    #[test]
    fn tolerances_are_inclusive_and_the_larger_counts() {
        assert!(number_is_right(11.0, 10.0, Some(1.0), Some(0.05)));
        assert!(number_is_right(9.0, 10.0, None, Some(0.1)));
        assert!(!number_is_right(9.0, 10.0, None, None));
        assert!(!number_is_right(f64::NAN, 10.0, Some(5.0), None));
    }
}
