//! Reads `unequal_budget`: the reasons why arms with different training budgets may be compared.

use serde::{Deserialize, Serialize};
use stepwise_config::document::Value;
use stepwise_config::kind::{Accepts, ValueKind};
use stepwise_config::section::Section;

/// Reasons for differences in training budget between arms, by quantity. None means that the quantity must be equal in
/// all arms: steps exactly, samples and supervised tokens within 1 %.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct UnequalBudget {
    /// Reason for different numbers of optimiser steps, planned or done; None allows no difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<String>,
    /// Reason for different numbers of training examples; None allows a difference of 1 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<String>,
    /// Reason for different numbers of supervised tokens, the tokens that the loss is computed on; None allows a
    /// difference of 1 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervised_tokens: Option<String>,
}

/// Form in manifests; manifests of earlier versions hold one reason.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Each { steps: Option<String>, samples: Option<String>, supervised_tokens: Option<String> },
}

impl From<Written> for UnequalBudget {
    fn from(written: Written) -> Self {
        match written {
            Written::One(reason) => Self::plain(reason),
            Written::Each { steps, samples, supervised_tokens } => Self { steps, samples, supervised_tokens },
        }
    }
}

impl UnequalBudget {
    /// One reason for samples and supervised tokens. A difference in steps needs a reason of its own.
    fn plain(reason: String) -> Self {
        Self { steps: None, samples: Some(reason.clone()), supervised_tokens: Some(reason) }
    }

    /// Returns whether no reason is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the reasons as one text, each after the quantities that it is for and separated by semicolons: "steps:
    /// ...; samples and supervised tokens: ...". None when there are no reasons.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let named =
            [("steps", &self.steps), ("samples", &self.samples), ("supervised tokens", &self.supervised_tokens)];
        let mut reasons: Vec<(String, &str)> = Vec::new();
        for (name, reason) in named {
            let Some(reason) = reason else { continue };
            match reasons.iter_mut().find(|(_, known)| *known == reason.as_str()) {
                Some((names, _)) => *names = format!("{names} and {name}"),
                None => reasons.push((name.to_owned(), reason)),
            }
        }
        let words: Vec<String> = reasons.iter().map(|(names, reason)| format!("{names}: {reason}")).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

const ACCEPTS: &str = "a table of reasons, `{ steps = \"...\", samples = \"...\", supervised_tokens = \"...\" }`, or one reason as a string";

const HELP: &str = "Reasons why arms with different training budgets may be compared, by quantity. Without a reason all arms must have, \
     for each seed, the same number of steps, and numbers of samples and supervised tokens within 1 %. A phase with `early_advance`, or \
     `early_stopping_patience`, may end early and needs a reason for `steps`. A string is the reason for samples and supervised \
     tokens, never for steps.";

/// Reads `unequal_budget`. Without the key there are no reasons; one text is the reason for samples and supervised
/// tokens, not for steps. Empty reasons and unknown quantities are reported and left out.
pub(super) fn read(top: &mut Section<'_>) -> UnequalBudget {
    let text = || Box::new(ValueKind::Text);
    let accepts =
        Accepts { words: ACCEPTS.to_owned(), kind: ValueKind::Either(vec![ValueKind::Text, ValueKind::Map(text())]) };
    let Some(node) = top.take("unequal_budget", accepts, None, HELP) else { return UnequalBudget::default() };
    let mut found = UnequalBudget::default();
    let is_reason = |text: &str| !text.trim().is_empty();
    match &node.value {
        Value::Text(reason) if is_reason(reason) => return UnequalBudget::plain(reason.clone()),
        Value::Table(entries) if !entries.is_empty() => {
            for (name, entry) in entries {
                let place = match name.as_str() {
                    "steps" => &mut found.steps,
                    "samples" => &mut found.samples,
                    "supervised_tokens" => &mut found.supervised_tokens,
                    _ => {
                        let message = format!("`unequal_budget` has no `{name}`");
                        top.report(Some(&entry.key), message, format!("write {ACCEPTS}"));
                        continue;
                    }
                };
                match &entry.node.value {
                    Value::Text(reason) if is_reason(reason) => *place = Some(reason.clone()),
                    Value::Text(_) => top.report(
                        Some(&entry.node.at),
                        format!("`{name}` gives no reason"),
                        "write why arms may differ in it, or leave the key out",
                    ),
                    _ => top.mismatch(&entry.node, name, "a reason, as a string"),
                }
            }
        }
        Value::Text(_) | Value::Table(_) => {
            top.report(Some(&node.at), "`unequal_budget` gives no reason", format!("write {ACCEPTS}"));
        }
        _ => top.mismatch(&node, "unequal_budget", ACCEPTS),
    }
    found
}
