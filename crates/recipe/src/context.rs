//! `context`: which answers to the questions it builds on a lesson is shown with.

use serde::{Serialize, Serializer};
use stepwise_config::document::{Table, Value};
use stepwise_config::kind::ValueKind;
use stepwise_config::section::Section;

use super::augment::ROUNDING;
use stepwise_config::nearest::nearest;

/// Shares of lessons; the rest is told nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Context {
    /// Told the right answers.
    pub gold: f64,
    /// Told the right answers but one, which is plausible and wrong.
    pub wrong: f64,
    /// Told what the model itself answered when the phase began.
    pub predicted: f64,
}

/// Words for shares of everything.
const WORDS: &[(&str, Context)] = &[
    ("none", Context { gold: 0.0, wrong: 0.0, predicted: 0.0 }),
    ("gold", Context { gold: 1.0, wrong: 0.0, predicted: 0.0 }),
    ("wrong", Context { gold: 0.0, wrong: 1.0, predicted: 0.0 }),
    ("predicted", Context { gold: 0.0, wrong: 0.0, predicted: 1.0 }),
];

const ACCEPTS: &str = "\"none\", \"gold\", \"wrong\", \"predicted\", or shares, as in `{ gold = 0.9, wrong = 0.1 }`";

impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some((word, _)) = WORDS.iter().find(|(_, shares)| shares == self) {
            return serializer.serialize_str(word);
        }
        let shares = [("gold", self.gold), ("wrong", self.wrong), ("predicted", self.predicted)];
        // The first two are always written out, as they were before there was a third.
        let shares = shares.into_iter().filter(|(name, share)| *name != "predicted" || *share > 0.0);
        toml::Table::from_iter(shares.map(|(name, share)| (name.to_owned(), share.into()))).serialize(serializer)
    }
}

/// Reads `context`; `inherited` where it is left out, which is `otherwise` in words.
pub(super) fn read(section: &mut Section<'_>, inherited: Context, otherwise: &str) -> Context {
    let help = "Which answers to the questions it builds on a question is shown with.";
    let words = ValueKind::Word(WORDS.iter().map(|(word, _)| *word).collect());
    // The shares are keys of their own, below.
    let accepts = words.called(ACCEPTS);
    let node = section.take("context", accepts, Some(otherwise.into()), help);
    let (at, entries) = match &node {
        Some(node) => match &node.value {
            Value::Table(entries) => (Some(node.at.clone()), entries.clone()),
            _ => (None, Table::new()),
        },
        None => (None, Table::new()),
    };
    let mut shares = section.nested("context", at, entries).about("Shares of lessons; the rest is told nothing.");
    let gold = shares.float("gold", 0.0, 0.0..=1.0, "Share of lessons told the right answers.");
    let wrong = shares.float("wrong", 0.0, 0.0..=1.0, "Share of lessons told the right answers but one.");
    let predicted = shares.float(
        "predicted",
        0.0,
        0.0..=1.0,
        "Share of lessons told what the model answered when the phase began.",
    );
    let sum = gold + wrong + predicted;
    if sum > 1.0 + ROUNDING {
        let message = format!("the shares of `context` sum to {sum}");
        shares.report(None, message, "lower them to 1 or less; the rest is told nothing");
    }
    shares.finish();
    let Some(node) = node else { return inherited };
    match &node.value {
        Value::Table(_) => Context { gold, wrong, predicted },
        Value::Text(written) => match WORDS.iter().find(|(word, _)| word == written) {
            Some((_, shares)) => *shares,
            None => {
                let help = match nearest(written, WORDS.iter().map(|(word, _)| *word)) {
                    Some(word) => format!("did you mean \"{word}\"? `context` is {ACCEPTS}"),
                    None => format!("`context` is {ACCEPTS}"),
                };
                section.report(Some(&node.at), format!("`context` cannot be \"{written}\""), help);
                inherited
            }
        },
        _ => {
            section.mismatch(&node, "context", ACCEPTS);
            inherited
        }
    }
}
