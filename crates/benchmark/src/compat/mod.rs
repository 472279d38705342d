//! Published scoring rules, reproduced with their faults, so that a number from a paper can be compared with the
//! strict score. Each rule is one file and one line of `RULES`. The rules score stored responses; the model is not
//! evaluated again.

mod drvd;
mod echobench;
mod llava_med;
mod omnimedvqa;
mod pope;
mod probmed;
mod vlmevalkit_choice;
mod vlmevalkit_yes_no;

use serde::{Deserialize, Serialize};
use stepwise_data::case::Answer;
use stepwise_data::prompt::{PromptOptions, letter, prompt};

use crate::outcome::Outcome;
use crate::plan::Plan;

/// All rules that can be computed from single responses.
const RULES: &[Rule] = &[
    llava_med::RULE,
    probmed::RULE,
    pope::RULE,
    vlmevalkit_yes_no::RULE,
    vlmevalkit_choice::RULE,
    drvd::RULE,
    omnimedvqa::RULE,
    echobench::RULE,
];

/// Rules that cannot be computed from single responses: id, source and reason.
const OUT_OF_REACH: &[(&str, &str, &str)] = &[(
    "drvd_joint",
    "DrVD-Bench, compute_choice_metric.py --type joint",
    "scores one response to a prompt that asks all levels at once, and a suite asks one question at a time",
)];

/// A published rule.
struct Rule {
    /// Machine-readable id.
    id: &'static str,
    /// Publication and file of the rule.
    source: &'static str,
    /// Fault of the rule.
    fault: &'static str,
    /// Responses that the rule scores.
    asks: Asks,
    /// Function that scores these responses.
    score: fn(&[Reading<'_>]) -> Scored,
}

/// Responses that a rule scores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
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

/// A response and its question.
struct Reading<'a> {
    outcome: &'a Outcome,
    reply: &'a str,
    /// Texts of the options in the order shown; `yes` and `no` for a yes/no question.
    options: Vec<String>,
    /// Position of the first right option.
    gold: usize,
    /// Sentences that the condition added to the question.
    inserted: String,
}

impl Reading<'_> {
    fn gold(&self) -> &str {
        &self.options[self.gold]
    }
}

/// Result of a rule.
#[derive(Default)]
struct Scored {
    /// Number of responses in the rule's denominator.
    n: usize,
    /// Number of responses that the rule counts as right.
    right: usize,
    /// Further numbers that the rule publishes.
    other: Vec<OtherScore>,
}

impl Scored {
    /// Scores every response; none leaves the denominator.
    fn all(readings: &[Reading<'_>], is_right: impl Fn(&Reading<'_>) -> bool) -> Self {
        Self {
            n: readings.len(),
            right: readings.iter().filter(|reading| is_right(reading)).count(),
            other: Vec::new(),
        }
    }
}

/// Score of a published rule and the strict score, on the same responses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompatScore {
    /// Machine-readable id of the rule.
    pub id: String,
    /// Publication and file of the rule.
    pub source: String,
    /// Fault of the rule; empty for a rule that cannot be computed from single responses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fault: String,
    /// Number of responses in the rule's denominator.
    pub n: usize,
    /// Accuracy by the rule, 0 to 1; None where its denominator is 0.
    pub accuracy: Option<f64>,
    /// Number of responses in the strict denominator: all responses that the rule is about.
    pub strict_n: usize,
    /// Accuracy by the strict parser, 0 to 1.
    pub strict_accuracy: Option<f64>,
    /// Accuracy by the rule less accuracy by the strict parser.
    pub difference: Option<f64>,
    /// Further numbers that the rule publishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<OtherScore>,
    /// Reason why there is no score; None where there is a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// A published number other than accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherScore {
    /// Name of the number: `f1`, `yes_ratio` or `sycophancy`.
    pub measure: String,
    /// Value by the rule; None where it is not defined.
    pub value: Option<f64>,
    /// Value by the strict parser; None where it is not defined.
    pub strict: Option<f64>,
}

/// Scores the responses among `outcomes`, which answer entries of `plan`, by every published rule. A rule that cannot
/// be applied is returned with the reason in `skipped`.
#[must_use]
pub fn scores(plan: &Plan<'_>, outcomes: &[Outcome]) -> Vec<CompatScore> {
    let out_of_reach = OUT_OF_REACH.iter().map(|(id, source, reason)| skipped(id, source, "", (*reason).to_owned()));
    RULES.iter().map(|rule| rule.apply(plan, outcomes)).chain(out_of_reach).collect()
}

impl Rule {
    fn apply(&self, plan: &Plan<'_>, outcomes: &[Outcome]) -> CompatScore {
        let of_kind = |outcome: &Outcome| self.is_about(plan, outcome);
        let about: Vec<_> = outcomes.iter().filter_map(|outcome| Some((outcome, of_kind(outcome)?))).collect();
        if about.is_empty() {
            return skipped(self.id, self.source, self.fault, format!("no {} was asked", self.asks.words()));
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
            return skipped(self.id, self.source, self.fault, reason.to_owned());
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

fn skipped(id: &str, source: &str, fault: &str, reason: String) -> CompatScore {
    CompatScore {
        id: id.to_owned(),
        source: source.to_owned(),
        fault: fault.to_owned(),
        n: 0,
        accuracy: None,
        strict_n: 0,
        strict_accuracy: None,
        difference: None,
        other: Vec::new(),
        skipped: Some(reason),
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// `2 TP / (2 TP + FP + FN)`; 0 where the denominator is 0, as in all the rules.
fn f1(true_positives: usize, false_positives: usize, false_negatives: usize) -> f64 {
    let whole = 2 * true_positives + false_positives + false_negatives;
    if whole == 0 { 0.0 } else { (2 * true_positives) as f64 / whole as f64 }
}

/// F1 of answering yes. An unparsed response counts against the right answer: as no where yes is right, as yes where no
/// is right.
fn strict_f1(readings: &[Reading<'_>]) -> f64 {
    let count = |gold: usize, right: bool| {
        readings.iter().filter(|reading| reading.gold == gold && reading.outcome.is_right() == right).count()
    };
    f1(count(0, true), count(1, false), count(0, false))
}

/// Position of the option whose capital letter is the whole response; None where there is none.
fn single_letter(reading: &Reading<'_>, reply: &str) -> Option<usize> {
    (0..reading.options.len()).find(|&place| letter(place) == reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Verdict;

    /// A minimal outcome for the tests of the rules, with the strict parser's verdict.
    pub(super) fn outcome(verdict: Verdict) -> Outcome {
        serde_json::from_value(serde_json::json!({
            "case_id": "c", "group_id": "g", "item_id": "q", "stage": 2, "category": "09", "condition": "clean",
            "verdict": verdict, "gold": "", "chance": 0.5
        }))
        .expect("an outcome")
    }

    /// Scores the yes/no responses `(gold, reply)` by `rule`: right and counted responses.
    pub(super) fn yes_no(rule: &Rule, replies: &[(&str, &str)]) -> (usize, usize) {
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
    fn every_rule_has_its_own_id_and_says_what_is_wrong() {
        let mut ids: Vec<&str> =
            RULES.iter().map(|rule| rule.id).chain(OUT_OF_REACH.iter().map(|(id, ..)| *id)).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(RULES.iter().all(|rule| !rule.fault.is_empty() && !rule.source.is_empty()));
    }

    #[test]
    fn f1_of_counts() {
        assert_eq!((f1(0, 0, 0), f1(2, 1, 1), f1(3, 0, 0)), (0.0, 4.0 / 6.0, 1.0));
    }
}
