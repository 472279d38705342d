//! lmms-eval, `tasks/pope/utils.py` at 75571cf: a yes/no response is right where it equals the right word in lower
//! case, so "Yes." is wrong. The ratio of yes is computed from the right answers, so it does not depend on the model.

use super::rule::{Asks, PublishedRule, Reading, Scored, f1, share, strict_f1};
use super::score::OtherScore;

/// Rule of lmms-eval for yes/no questions: a response is right where it equals the right word.
pub(super) const RULE: PublishedRule = PublishedRule {
    id: "lmms_eval_pope",
    source: "lmms-eval, lmms_eval/tasks/pope/utils.py @75571cf",
    fault: "exact match, so `Yes.` is wrong; the yes ratio is computed from the right answers",
    asks: Asks::YesNo,
    score,
};

fn score(readings: &[Reading<'_>]) -> Scored {
    let said = |reading: &Reading<'_>| reading.reply.to_lowercase().trim().to_owned();
    let count = |gold: usize, word: &str| {
        readings.iter().filter(|reading| reading.gold == gold && said(reading) == word).count()
    };
    let golden_yes = readings.iter().filter(|reading| reading.gold == 0).count();
    let strict_yes = readings.iter().filter(|reading| reading.outcome.index == Some(0)).count();
    let strict_answers = readings.iter().filter(|reading| reading.outcome.index.is_some()).count();
    Scored {
        other: vec![
            // Responses that are neither word are in no cell of the rule's table.
            other("f1", Some(f1(count(0, "yes"), count(1, "yes"), count(0, "no"))), Some(strict_f1(readings))),
            other("yes_ratio", share(golden_yes, readings.len()), share(strict_yes, strict_answers)),
        ],
        ..Scored::all(readings, |reading| said(reading) == reading.gold())
    }
}

fn other(measure: &str, value: Option<f64>, strict: Option<f64>) -> OtherScore {
    OtherScore { measure: measure.to_owned(), value, strict }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::compat::rule::tests::yes_no;

    #[test]
    fn a_full_stop_is_an_error() {
        assert_eq!(yes_no(&RULE, &[("yes", " YES\n"), ("yes", "Yes."), ("no", "no"), ("no", "No, none")]), (2, 4));
    }
}
