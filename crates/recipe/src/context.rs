//! Reads `context`: the answers to earlier questions that a training example is given as context.

use serde::{Serialize, Serializer};
use stepwise_config::document::{Table, Value};
use stepwise_config::kind::ValueKind;
use stepwise_config::section::Section;

use super::augment::ROUNDING;
use stepwise_config::nearest::nearest;

/// Shares of the training examples by the answers to earlier questions that are given as context. The sum is at most 1,
/// and the remaining examples have no context.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Context {
    /// Share with the right answers, from 0 to 1.
    pub gold: f64,
    /// Share with the right answers except one, which is plausible and wrong; from 0 to 1.
    pub wrong: f64,
    /// Share with the answers that the model itself gave at the start of the phase, from 0 to 1.
    pub predicted: f64,
}

/// Words that stand for a share of 1, or of 0 for `none`.
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
        // `gold` and `wrong` are always written, so that digests of older recipes, which had no `predicted`, stay
        // the same.
        let shares = shares.into_iter().filter(|(name, share)| *name != "predicted" || *share > 0.0);
        toml::Table::from_iter(shares.map(|(name, share)| (name.to_owned(), share.into()))).serialize(serializer)
    }
}

/// Reads `context`: a word or a table of shares. Without the key, or where its value is wrong, the result is
/// `inherited`; `otherwise` describes that default. Wrong values and shares with a sum above 1 are reported.
pub(super) fn read(section: &mut Section<'_>, inherited: Context, otherwise: &str) -> Context {
    let help = "Answers given as context: which answers to the questions that a question builds on.";
    let words = ValueKind::Word(WORDS.iter().map(|(word, _)| *word).collect());
    // The shares are keys of a table of their own, read below.
    let accepts = words.called(ACCEPTS);
    let node = section.take("context", accepts, Some(otherwise.into()), help);
    let (at, entries) = match &node {
        Some(node) => match &node.value {
            Value::Table(entries) => (Some(node.at.clone()), entries.clone()),
            _ => (None, Table::new()),
        },
        None => (None, Table::new()),
    };
    let mut shares = section
        .nested("context", at, entries)
        .about("Shares of the training examples; the remaining ones have no context.");
    let gold = shares.float("gold", 0.0, 0.0..=1.0, "Share of examples with the right answers as context.");
    let wrong = shares.float(
        "wrong",
        0.0,
        0.0..=1.0,
        "Share of examples with the right answers as context, except one that is wrong.",
    );
    let predicted = shares.float(
        "predicted",
        0.0,
        0.0..=1.0,
        "Share of examples with the model's own answers from the start of the phase as context.",
    );
    let sum = gold + wrong + predicted;
    if sum > 1.0 + ROUNDING {
        let message = format!("the shares of `context` sum to {sum}");
        shares.report(None, message, "lower them to a sum of 1 or less; the remaining examples have no context");
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
