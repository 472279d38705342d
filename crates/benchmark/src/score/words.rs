//! Equality of answers: texts and numbers.

pub use stepwise_data::answer_text::fold;

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
    fn a_text_is_right_in_any_spelling_and_with_all_its_signs() {
        let right = |text: &str, gold: &str| text_is_right(text, &[gold.to_owned()], &[]);
        for (text, gold) in [("T2*.", "T2*"), ("5 %", "5%"), ("Na\u{ef}ve", "nai\u{308}ve"), ("A -> B", "A→B")] {
            assert!(right(text, gold), "{text} for {gold}");
        }
        for (text, gold) in [("↓ signal", "↑ signal"), ("A←B", "A→B"), ("T2", "T2*"), ("5", "5%"), ("1.5", "1-5")]
        {
            assert!(!right(text, gold), "{text} for {gold}");
        }
    }

    #[test]
    fn tolerances_are_inclusive_and_the_larger_counts() {
        assert!(number_is_right(11.0, 10.0, Some(1.0), Some(0.05)));
        assert!(number_is_right(9.0, 10.0, None, Some(0.1)));
        assert!(!number_is_right(9.0, 10.0, None, None));
        assert!(!number_is_right(f64::NAN, 10.0, Some(5.0), None));
    }
}
