//! LLaVA-Med, `llava/eval/run_eval.py` at 635c532 (and `run_eval_pvqa.py`): accuracy on closed questions.
//!
//! The response, in lower case and normalised as in VQA evaluation, is right where it contains the right word anywhere.
//! A response that contains "yes" or "no" but not the right word adds nothing to the list of hits, so it leaves the
//! denominator; only a response with neither word counts as wrong. "Normal" contains "no".

use super::rule::{Asks, PublishedRule, Reading, Scored};

/// Rule of LLaVA-Med for yes/no questions: a response is right where it contains the right word anywhere.
pub(super) const RULE: PublishedRule = PublishedRule {
    id: "llava_med_closed",
    source: "LLaVA-Med, llava/eval/run_eval.py @635c532",
    fault: "a wrong yes or no leaves the denominator; words are found inside others",
    asks: Asks::YesNo,
    score,
};

fn score(readings: &[Reading<'_>]) -> Scored {
    let mut scored = Scored::default();
    for reading in readings {
        let said = normalised(reading.reply);
        if !said.contains("yes") && !said.contains("no") {
            scored.n += 1;
        } else if said.contains(reading.gold()) {
            scored.n += 1;
            scored.right += 1;
        }
    }
    scored
}

/// The part of the rule's normalisation that decides whether "yes" or "no" is found: full stops are removed, other
/// punctuation separates words, and the word "none" becomes a number.
fn normalised(reply: &str) -> String {
    let spaced: String = reply
        .to_lowercase()
        .chars()
        .filter(|character| *character != '.')
        .map(|character| if character.is_ascii_punctuation() && character != '\'' { ' ' } else { character })
        .collect();
    let words = spaced.split_whitespace().map(|word| if word == "none" { "0" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::compat::rule::tests::yes_no;

    #[test]
    fn a_wrong_answer_is_lost_and_an_empty_one_is_wrong() {
        assert_eq!(yes_no(&RULE, &[("yes", "Yes."), ("yes", "No."), ("no", "Yes, it is"), ("no", "unclear")]), (1, 2));
        assert_eq!(yes_no(&RULE, &[("no", "Normal"), ("no", "None."), ("yes", "No, but yes")]), (2, 3));
        assert_eq!(yes_no(&RULE, &[("yes", "no")]), (0, 0));
    }
}
