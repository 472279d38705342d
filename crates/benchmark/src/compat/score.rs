//! Scores of published rules.

use serde::{Deserialize, Serialize};

/// Score of a published rule and the strict score, on the same responses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompatScore {
    /// Machine-readable id of the rule.
    pub id: String,
    /// Publication and file of the rule.
    pub source: String,
    /// Fault of the rule in words; empty for a rule that cannot be computed from single responses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fault: String,
    /// Number of responses in the rule's denominator; 0 for a skipped rule.
    pub n: usize,
    /// Accuracy by the rule, 0 to 1; None where its denominator is 0.
    pub accuracy: Option<f64>,
    /// Number of responses in the strict denominator: all generated responses that the rule is about.
    pub strict_n: usize,
    /// Accuracy by the strict parser, 0 to 1; None for a skipped rule.
    pub strict_accuracy: Option<f64>,
    /// Accuracy by the rule less accuracy by the strict parser; None where either is None.
    pub difference: Option<f64>,
    /// Further numbers that the rule publishes; empty for most rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<OtherScore>,
    /// Reason why there is no score; None where there is a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// A number other than accuracy that a published rule gives, by the rule and by the strict parser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherScore {
    /// Name of the number: `f1`, `yes_ratio` or `sycophancy`.
    pub measure: String,
    /// Value by the rule; None where its denominator is 0.
    pub value: Option<f64>,
    /// Value by the strict parser; None where its denominator is 0.
    pub strict: Option<f64>,
}

impl CompatScore {
    /// Returns the result of a rule that cannot be applied, with the `reason`: counts of 0 and no values. `id`,
    /// `source` and `fault` describe the rule.
    pub(super) fn skipped(id: &str, source: &str, fault: &str, reason: String) -> Self {
        Self {
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
}
