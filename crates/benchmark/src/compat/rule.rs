//! A published rule, the responses that it reads and its result.

use stepwise_data::case::Answer;
use stepwise_data::prompt::{PromptOptions, letter, prompt};

use super::score::{CompatScore, OtherScore};
use crate::outcome::Outcome;
use crate::plan::Plan;

/// A published scoring rule, reproduced with its faults, so that a number from a paper can be compared with the strict
/// score.
pub(super) struct PublishedRule {
    /// Machine-readable id.
    pub id: &'static str,
    /// Publication and file of the rule.
    pub source: &'static str,
    /// Fault of the rule.
    pub fault: &'static str,
    /// Responses that the rule scores.
    pub asks: Asks,
    /// Function that scores these responses.
    pub score: fn(&[Reading<'_>]) -> Scored,
}

/// Kind of the questions whose responses a rule scores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Clean yes/no questions.
    YesNo,
    /// Clean choices.
    Choice,
    /// Choices with a hint that names a wrong answer.
    MisledChoice,
}

impl Asks {
    fn words(self) -> &'static str {
        match self {
            Self::YesNo => "yes/no question",
            Self::Choice => "choice",
            Self::MisledChoice => "choice with a misleading hint",
        }
    }
}

/// A generated response with the question that it answers, as a rule reads them.
pub(super) struct Reading<'a> {
    /// Judged outcome of the response.
    pub outcome: &'a Outcome,
    /// Generated text of the response.
    pub reply: &'a str,
    /// Texts of the options in the order shown; `yes` and `no` for a yes/no question.
    pub options: Vec<String>,
    /// Position of the first right option.
    pub gold: usize,
    /// Sentences that the condition added to the question.
    pub inserted: String,
}

impl Reading<'_> {
    /// Returns the text of the first right option.
    ///
    /// # Panics
    /// When there is no option at [`Reading::gold`].
    pub fn gold(&self) -> &str {
        &self.options[self.gold]
    }
}

/// Counts and further numbers by which a rule scores responses.
#[derive(Default)]
pub(super) struct Scored {
    /// Number of responses in the rule's denominator.
    pub n: usize,
    /// Number of responses that the rule counts as right.
    pub right: usize,
    /// Further numbers that the rule publishes; empty for most rules.
    pub other: Vec<OtherScore>,
}

impl Scored {
    /// Scores every one of the `readings` by `is_right`; none leaves the denominator, and there are no further numbers.
    pub fn all(readings: &[Reading<'_>], is_right: impl Fn(&Reading<'_>) -> bool) -> Self {
        Self {
            n: readings.len(),
            right: readings.iter().filter(|reading| is_right(reading)).count(),
            other: Vec::new(),
        }
    }
}

impl PublishedRule {
    /// Scores the responses among `outcomes` that the rule is about, by the rule and by the strict parser. `outcomes`
    /// answer entries of `plan`; others and scored options are left out. Without a generated response the result has
    /// the reason instead of scores.
    pub fn apply(&self, plan: &Plan<'_>, outcomes: &[Outcome]) -> CompatScore {
        let of_kind = |outcome: &Outcome| self.is_about(plan, outcome);
        let about: Vec<_> = outcomes.iter().filter_map(|outcome| Some((outcome, of_kind(outcome)?))).collect();
        if about.is_empty() {
            return CompatScore::skipped(
                self.id,
                self.source,
                self.fault,
                format!("no {} was asked", self.asks.words()),
            );
        }
        let readings: Vec<Reading<'_>> = about
            .into_iter()
            .filter_map(|(outcome, (options, gold, inserted))| {
                Some(Reading { outcome, reply: outcome.reply.as_deref()?, options, gold, inserted })
            })
            .collect();
        if readings.is_empty() {
            let reason =
                "the outcomes hold scores of options and no generated text -> evaluate with `scoring = \"generate\"`";
            return CompatScore::skipped(self.id, self.source, self.fault, reason.to_owned());
        }
        let scored = (self.score)(&readings);
        let strict = Scored::all(&readings, |reading| reading.outcome.is_right());
        let (accuracy, strict_accuracy) = (share(scored.right, scored.n), share(strict.right, strict.n));
        CompatScore {
            id: self.id.to_owned(),
            source: self.source.to_owned(),
            fault: self.fault.to_owned(),
            n: scored.n,
            accuracy,
            strict_n: strict.n,
            strict_accuracy,
            difference: accuracy.zip(strict_accuracy).map(|(rule, strict)| rule - strict),
            other: scored.other,
            skipped: None,
        }
    }

    /// Returns the options shown, the position of the right one, and the inserted text; None where the rule is not
    /// about the outcome.
    fn is_about(&self, plan: &Plan<'_>, outcome: &Outcome) -> Option<(Vec<String>, usize, String)> {
        let entry = plan.entry(&outcome.case_id, &outcome.item_id, &outcome.condition)?;
        let kind = plan.condition(entry).kind;
        let (case, item) = plan.item(entry);
        let fits = match (&item.answer, self.asks) {
            (Answer::Yesno { .. }, Asks::YesNo) | (Answer::Choice { .. }, Asks::Choice) => kind == "clean",
            (Answer::Choice { .. }, Asks::MisledChoice) => kind == "hint_minus",
            _ => false,
        };
        if !fits {
            return None;
        }
        let frame: PromptOptions = plan.perturbed(entry)?.frame;
        let inserted = frame.inserts.iter().map(|insert| insert.text.as_str()).collect::<Vec<_>>().join("\n");
        let shown = prompt(case, item, &frame);
        let gold = match &item.answer {
            Answer::Choice { gold, .. } => shown.stored.iter().position(|stored| gold.contains(stored))?,
            Answer::Yesno { gold, .. } => usize::from(!gold),
            _ => return None,
        };
        Some((shown.options, gold, inserted))
    }
}

/// Returns `part / whole`; None where `whole` is 0.
pub(super) fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Returns the harmonic mean of precision and recall, `2 TP / (2 TP + FP + FN)`; 0 where the denominator is 0, as in
/// all the rules.
pub(super) fn f1(true_positives: usize, false_positives: usize, false_negatives: usize) -> f64 {
    let whole = 2 * true_positives + false_positives + false_negatives;
    if whole == 0 { 0.0 } else { (2 * true_positives) as f64 / whole as f64 }
}

/// Returns the F1 of answering yes by the strict parser. An unparsed response counts against the right answer: as no
/// where yes is right, as yes where no is right. 0 without responses.
pub(super) fn strict_f1(readings: &[Reading<'_>]) -> f64 {
    let count = |gold: usize, right: bool| {
        readings.iter().filter(|reading| reading.gold == gold && reading.outcome.is_right() == right).count()
    };
    f1(count(0, true), count(1, false), count(0, false))
}

/// Returns the position of the option whose capital letter is the whole response `reply`; None where there is none.
pub(super) fn single_letter(reading: &Reading<'_>, reply: &str) -> Option<usize> {
    (0..reading.options.len()).find(|&place| letter(place) == reply)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::score::Verdict;

    /// A minimal outcome for the tests of the rules, with the strict parser's verdict.
    pub(in crate::compat) fn outcome(verdict: Verdict) -> Outcome {
        serde_json::from_value(serde_json::json!({
            "case_id": "c", "group_id": "g", "item_id": "q", "stage": 2, "category": "09", "condition": "clean",
            "verdict": verdict, "gold": "", "chance": 0.5
        }))
        .expect("an outcome")
    }

    /// Scores the yes/no responses `(gold, reply)` by `rule`: right and counted responses.
    pub(in crate::compat) fn yes_no(rule: &PublishedRule, replies: &[(&str, &str)]) -> (usize, usize) {
        let unparsed = outcome(Verdict::Unparsed);
        let reading = |&(gold, reply): &(&str, _)| Reading {
            outcome: &unparsed,
            reply,
            options: vec!["yes".to_owned(), "no".to_owned()],
            gold: usize::from(gold == "no"),
            inserted: String::new(),
        };
        let readings: Vec<Reading<'_>> = replies.iter().map(reading).collect();
        let scored = (rule.score)(&readings);
        (scored.right, scored.n)
    }

    #[test]
    fn f1_of_counts() {
        assert_eq!((f1(0, 0, 0), f1(2, 1, 1), f1(3, 0, 0)), (0.0, 4.0 / 6.0, 1.0));
    }
}
