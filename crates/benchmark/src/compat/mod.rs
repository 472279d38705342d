//! Published scoring rules, reproduced faults and all, so that a number from a paper can be set beside the strict one. Each
//! is one file and one line of [`RULES`]. They read stored replies; nothing is asked again.

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
use stepwise_data::prompt::{Frame, letter, prompt};

use crate::outcome::Outcome;
use crate::plan::Plan;

/// All rules that can be told from single replies.
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

/// Rules that cannot, and why.
const OUT_OF_REACH: &[(&str, &str, &str)] = &[(
    "drvd_joint",
    "DrVD-Bench, compute_choice_metric.py --type joint",
    "reads one reply to a prompt that asks all levels at once, and a suite asks one question at a time",
)];

/// A published rule.
struct Rule {
    /// For programs.
    id: &'static str,
    /// Where it is published.
    source: &'static str,
    /// What is wrong with it.
    fault: &'static str,
    /// Which replies it scores.
    asks: Asks,
    /// Scores them.
    score: fn(&[Reading<'_>]) -> Scored,
}

/// Which replies a rule scores.
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

/// One reply and what it answers.
struct Reading<'a> {
    outcome: &'a Outcome,
    reply: &'a str,
    /// Words of the options in the order shown; `yes` and `no` for such a question.
    options: Vec<String>,
    /// The place of the first right one.
    gold: usize,
    /// Sentences a condition added to the question.
    inserted: String,
}

impl Reading<'_> {
    fn gold(&self) -> &str {
        &self.options[self.gold]
    }
}

/// What a rule makes of its replies.
#[derive(Default)]
struct Scored {
    /// Replies it counts.
    n: usize,
    /// Those it calls right.
    right: usize,
    /// Further numbers it publishes.
    other: Vec<OtherScore>,
}

impl Scored {
    /// One verdict a reply, none lost.
    fn all(readings: &[Reading<'_>], is_right: impl Fn(&Reading<'_>) -> bool) -> Self {
        Self {
            n: readings.len(),
            right: readings.iter().filter(|reading| is_right(reading)).count(),
            other: Vec::new(),
        }
    }
}

/// A published rule's score beside the strict one, on the same replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompatScore {
    /// For programs.
    pub id: String,
    /// Where the rule is published.
    pub source: String,
    /// What is wrong with it; empty for a rule that is out of reach.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fault: String,
    /// Replies in the rule's denominator.
    pub n: usize,
    /// By the rule; absent where it has no denominator.
    pub accuracy: Option<f64>,
    /// Replies in the strict denominator: all that the rule is about.
    pub strict_n: usize,
    /// By the strict parser.
    pub strict_accuracy: Option<f64>,
    /// The rule's accuracy less the strict one.
    pub difference: Option<f64>,
    /// Further numbers the rule publishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<OtherScore>,
    /// Why there is no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// A number beside accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherScore {
    /// `f1`, `yes_ratio` or `sycophancy`.
    pub measure: String,
    /// By the rule.
    pub value: Option<f64>,
    /// By the strict parser.
    pub strict: Option<f64>,
}

/// What every published rule makes of the replies among `outcomes`, which answer entries of `plan`.
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
                "the outcomes hold scores of options and no generated words -> ask with `scoring = \"generate\"`";
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

    /// For an outcome that the rule is about: the options shown, the place of the right one, and what was added.
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
        let frame: Frame = plan.condition(entry).perturbation.perturb(&plan.scene(entry)).ok()?.frame;
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

/// `2 TP / (2 TP + FP + FN)`, 0 of nothing, as all the rules have it.
fn f1(true_positives: usize, false_positives: usize, false_negatives: usize) -> f64 {
    let whole = 2 * true_positives + false_positives + false_negatives;
    if whole == 0 { 0.0 } else { (2 * true_positives) as f64 / whole as f64 }
}

/// F1 of saying yes, where a reply that is no answer counts against the right answer: as a no where yes is right, as a yes
/// where no is.
fn strict_f1(readings: &[Reading<'_>]) -> f64 {
    let count = |gold: usize, right: bool| {
        readings.iter().filter(|reading| reading.gold == gold && reading.outcome.is_right() == right).count()
    };
    f1(count(0, true), count(1, false), count(0, false))
}

/// The place of the option whose capital letter is the whole reply.
fn single_letter(reading: &Reading<'_>, reply: &str) -> Option<usize> {
    (0..reading.options.len()).find(|&place| letter(place) == reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Verdict;

    /// A minimal reading for the rules' own tests: `right` is what the strict parser said.
    pub(super) fn outcome(verdict: Verdict) -> Outcome {
        serde_json::from_value(serde_json::json!({
            "case_id": "c", "group_id": "g", "item_id": "q", "stage": 2, "category": "09", "condition": "clean",
            "verdict": verdict, "gold": "", "chance": 0.5
        }))
        .expect("an outcome")
    }

    /// What `rule` makes of yes/no replies `(gold, reply)`: right and counted.
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
