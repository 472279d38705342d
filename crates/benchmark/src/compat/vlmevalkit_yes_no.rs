//! VLMEvalKit, `vlmeval/dataset/utils/yorn.py`: POPE. A response is yes where its words include "yes" and not "no", and
//! no the other way round; otherwise it is unknown. Accuracy counts unknown as wrong. F1, the main result, counts
//! unknown as no, so abstaining costs nothing where no is right.

use super::rule::{Asks, PublishedRule, Reading, Scored, f1, strict_f1};
use super::score::OtherScore;

/// Rule of VLMEvalKit for yes/no questions: a response is yes or no where its words include only one of the two.
pub(super) const RULE: PublishedRule = PublishedRule {
    id: "vlmevalkit_pope",
    source: "VLMEvalKit, vlmeval/dataset/utils/yorn.py",
    fault: "an unparsed response counts as a no in F1",
    asks: Asks::YesNo,
    score,
};

fn score(readings: &[Reading<'_>]) -> Scored {
    let count = |gold: usize, says_yes: bool| {
        readings.iter().filter(|reading| reading.gold == gold && (said(reading.reply) == Some(0)) == says_yes).count()
    };
    let value = Some(f1(count(0, true), count(1, true), count(0, false)));
    Scored {
        other: vec![OtherScore { measure: "f1".to_owned(), value, strict: Some(strict_f1(readings)) }],
        ..Scored::all(readings, |reading| said(reading.reply) == Some(reading.gold))
    }
}

/// 0 for yes, 1 for no, None for unknown.
fn said(reply: &str) -> Option<usize> {
    let spaced: String = reply.to_lowercase().chars().map(|c| if c.is_ascii_punctuation() { ' ' } else { c }).collect();
    let has = |wanted: &str| spaced.split_whitespace().any(|word| word == wanted);
    match (has("yes"), has("no")) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{RULE, score};
    use crate::compat::rule::Reading;
    use crate::compat::rule::tests::{outcome, yes_no};
    use crate::score::Verdict;

    #[test]
    fn whole_words_decide() {
        assert_eq!(
            yes_no(&RULE, &[("yes", "I say yes!"), ("no", "Normal"), ("no", "No."), ("yes", "yes or no")]),
            (2, 4)
        );
    }

    #[test]
    fn silence_is_a_no_in_f1_and_an_error_in_the_strict_one() {
        let (right, silent) = (outcome(Verdict::Right), outcome(Verdict::Unparsed));
        let reading = |outcome, reply, gold| Reading {
            outcome,
            reply,
            options: vec!["yes".to_owned(), "no".to_owned()],
            gold,
            inserted: String::new(),
        };
        let scored = score(&[reading(&right, "yes", 0), reading(&silent, "?", 1), reading(&silent, "?", 1)]);
        assert_eq!((scored.right, scored.n), (1, 3));
        // The rule counts one true positive and nothing else; the strict score counts two false positives as well.
        assert_eq!((scored.other[0].value, scored.other[0].strict), (Some(1.0), Some(0.5)));
    }
}
