//! DrVD-Bench, `compute_choice_metric.py --type single`: a response to a choice is right where it equals, to the last
//! character, the text before the first full stop of the right answer "C. CT", which is its letter. "C.", "c", " C" and
//! the right words are wrong.

use stepwise_data::prompt::letter;

use super::rule::{Asks, PublishedRule, Reading, Scored};

/// Rule of DrVD-Bench for choices: a response is right where it equals the letter of the right option.
pub(super) const RULE: PublishedRule = PublishedRule {
    id: "drvd_single",
    source: "DrVD-Bench, compute_choice_metric.py --type single",
    fault: "raw equality with the letter: format is scored, not skill",
    asks: Asks::Choice,
    score,
};

fn score(readings: &[Reading<'_>]) -> Scored {
    Scored::all(readings, |reading| reading.reply == letter(reading.gold))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::rule::tests::outcome;
    use crate::score::Verdict;

    #[test]
    fn only_the_bare_letter_is_right() {
        let outcome = outcome(Verdict::Right);
        let options = || ["MRI", "CT"].map(str::to_owned).to_vec();
        let reading =
            |reply| Reading { outcome: &outcome, reply, options: options(), gold: 1, inserted: String::new() };
        let scored = score(&["B", "B.", "b", " B", "CT", "B. CT"].map(reading));
        assert_eq!((scored.right, scored.n), (1, 6));
    }
}
