//! VLMEvalKit, `vlmeval/dataset/utils/multiple_choice.py` at e8e78f0, with `vlmeval/utils/matching_util.py`: the option
//! is inferred from the only option letter among the words of the response, else from the only option whose words the
//! response contains. Where both fail, a language model is asked up to three times; then an option is drawn at random,
//! with Z ("none") among the options.
//!
//! Here no language model is used: a response from which no option can be inferred goes straight to the draw, as if
//! the language model had failed. This draw is seeded and the published one is not, so published scores differ from
//! run to run.

use rand::Rng;
use stepwise_data::prompt::letter;
use stepwise_data::random::stream;

use super::rule::{Asks, PublishedRule, Reading, Scored};

/// Rule of VLMEvalKit for choices: the option is inferred from a letter or from words, else drawn at random.
pub(super) const RULE: PublishedRule = PublishedRule {
    id: "vlmevalkit_choice",
    source: "VLMEvalKit, vlmeval/dataset/utils/multiple_choice.py @e8e78f0",
    fault: "a response that cannot be parsed gets a random option",
    asks: Asks::Choice,
    score,
};

fn score(readings: &[Reading<'_>]) -> Scored {
    Scored::all(readings, |reading| {
        let place = by_letter(reading).or_else(|| by_words(reading)).unwrap_or_else(|| {
            let mut rng = stream(0, &["vlmevalkit_choice", &reading.outcome.case_id, &reading.outcome.item_id]);
            // The position after the last option is Z.
            rng.random_range(0..=reading.options.len())
        });
        place == reading.gold
    })
}

/// Position of the only option letter that is a word of the response.
fn by_letter(reading: &Reading<'_>) -> Option<usize> {
    let spaced: String = reading.reply.chars().map(|c| if ".()[],:;!*#{}".contains(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    only(reading, |place| words.contains(&letter(place).as_str()))
}

/// Position of the only option whose words the response contains; None where the response is more than twice as long as
/// all options together.
fn by_words(reading: &Reading<'_>) -> Option<usize> {
    let said = reading.reply.to_lowercase();
    let length: usize = reading.options.iter().map(|option| option.chars().count()).sum();
    if said.chars().count() > 2 * length {
        return None;
    }
    only(reading, |place| said.contains(&reading.options[place].to_lowercase()))
}

fn only(reading: &Reading<'_>, is: impl Fn(usize) -> bool) -> Option<usize> {
    let mut found = (0..reading.options.len()).filter(|&place| is(place));
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::rule::tests::outcome;
    use crate::score::Verdict;

    fn options() -> Vec<String> {
        ["CT", "MRI", "X-ray"].map(str::to_owned).to_vec()
    }

    #[test]
    fn letters_come_before_words_and_both_must_be_the_only_one() {
        let outcome = outcome(Verdict::Unparsed);
        let reading =
            |reply| Reading { outcome: &outcome, reply, options: options(), gold: 0, inserted: String::new() };
        for (reply, letters, words) in [
            ("(B)", Some(1), None),
            ("A. CT", Some(0), Some(0)),
            ("it is an mri", None, Some(1)),
            ("A or B", None, None),
            ("CT, not MRI", None, None),
            ("I am quite sure that this is an MRI picture", None, None),
        ] {
            let reading = reading(reply);
            assert_eq!((by_letter(&reading), by_words(&reading)), (letters, words), "{reply}");
        }
    }

    #[test]
    fn who_says_nothing_is_right_as_often_as_a_die() {
        // Three options and Z: a quarter of 400, give or take four standard deviations.
        let outcomes: Vec<_> = (0..400)
            .map(|number| crate::outcome::Outcome { case_id: number.to_string(), ..outcome(Verdict::Unparsed) })
            .collect();
        let reading = |outcome| Reading { outcome, reply: "?", options: options(), gold: 1, inserted: String::new() };
        let scored = score(&outcomes.iter().map(reading).collect::<Vec<_>>());
        assert!((66..=134).contains(&scored.right), "{} of {}", scored.right, scored.n);
    }
}
