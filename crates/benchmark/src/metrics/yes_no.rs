//! Bias of yes/no answers: whether the model says "yes" more often than is right.

use super::metric::{Better, Metric};
use super::outcome_table::{OutcomeTable, one_if};
use crate::score::Verdict;

/// Answer that the bias is about.
const YES: &str = "yes";

/// Returns two metrics over the clean yes/no questions with a parsed answer, both defined as in HallusionBench (Guan et
/// al., 2024):
///
/// - `yes_bias` (there: yes percentage difference): share of answers "yes" less share of right answers "yes", -1 to 1;
///   0 is a model without bias;
/// - `false_positive_ratio`: share of wrong answers that are "yes", where "no" is right; 0.5 is a model without bias.
///
/// A metric without such answers is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    // d_y = P(a(0) = yes) - P(g = yes)
    let bias = table.sums(|row| {
        let outcome = row.clean().filter(|outcome| outcome.is_yes_no())?;
        Some([one_if(outcome.answer.as_deref()? == YES) - one_if(outcome.gold == YES), 1.0])
    });
    // r_fp = P(a(0) = yes given a(0) is wrong)
    let false_positives = table.sums(|row| {
        let outcome = row.clean().filter(|outcome| outcome.is_yes_no() && outcome.verdict == Verdict::Wrong)?;
        Some([one_if(outcome.answer.as_deref()? == YES), 1.0])
    });
    vec![
        Metric::mean_difference(
            "yes_bias",
            "yes bias (share of answers \"yes\" less share of right answers \"yes\")",
            Better::Neither,
            bias,
        ),
        Metric::mean(
            "false_positive_ratio",
            "false-positive ratio (share of wrong yes/no answers that are \"yes\"; 0.5 is without bias)",
            Better::Neither,
            false_positives,
        ),
    ]
}
