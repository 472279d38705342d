//! ProbMed, `eval/calculate_score.py`, `get_score_binary`: a yes/no response is right where it contains the right word
//! with a capital letter, or equals that word with or without a full stop. "Normal", "None" and "Nodule" contain "No";
//! "Yes and No" is right for every question.

use super::rule::{Asks, PublishedRule, Reading, Scored};

/// Rule of ProbMed for yes/no questions: a response is right where it contains the right word with a capital letter.
pub(super) const RULE: PublishedRule = PublishedRule {
    id: "probmed_binary",
    source: "ProbMed, eval/calculate_score.py, get_score_binary",
    fault: "`No` is found inside Normal, None and Nodule",
    asks: Asks::YesNo,
    score,
};

fn score(readings: &[Reading<'_>]) -> Scored {
    Scored::all(readings, |reading| {
        let said = reading.reply.trim();
        let capital = if reading.gold == 0 { "Yes" } else { "No" };
        let lower = said.to_lowercase();
        said.contains(capital) || lower.strip_suffix('.').unwrap_or(&lower) == reading.gold()
    })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::compat::rule::tests::yes_no;

    #[test]
    fn a_word_that_begins_with_no_is_a_no() {
        assert_eq!(yes_no(&RULE, &[("no", "Normal"), ("no", "A Nodule"), ("no", "normal"), ("no", "no.")]), (3, 4));
        assert_eq!(yes_no(&RULE, &[("yes", "Yes and No"), ("no", "Yes and No"), ("yes", "yes it is")]), (2, 3));
    }
}
