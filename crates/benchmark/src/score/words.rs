//! When two texts, or two numbers, are the same answer.

/// Lower case, punctuation gone, runs of white space as one space. "X-ray." and "x ray" fold to the same; the words
/// themselves are kept, so "no effusion" and "effusion" do not.
#[must_use]
pub fn fold(text: &str) -> String {
    let spaced: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(|character| if character.is_alphanumeric() { character } else { ' ' })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether `text` is one of the right texts or their aliases after [`fold`].
#[must_use]
pub fn text_is_right(text: &str, gold: &[String], aliases: &[String]) -> bool {
    let folded = fold(text);
    gold.iter().chain(aliases).any(|right| fold(right) == folded)
}

/// Whether `value` lies within the larger of the two tolerances of `gold`; equal when neither is given.
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
    }

    #[test]
    fn tolerances_are_inclusive_and_the_larger_counts() {
        assert!(number_is_right(11.0, 10.0, Some(1.0), Some(0.05)));
        assert!(number_is_right(9.0, 10.0, None, Some(0.1)));
        assert!(!number_is_right(9.0, 10.0, None, None));
        assert!(!number_is_right(f64::NAN, 10.0, Some(5.0), None));
    }
}
