//! Lines about questions that a model elsewhere cannot be asked.

use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{NO_RESPONSE, NO_SURROGATE, Run};

/// Returns the line about `count` questions of a condition that are not asked for `reason`.
pub fn line(condition: &str, reason: &str, count: usize) -> String {
    let advice = if reason == NO_SURROGATE { " -> name a local model with `--surrogate DIR`" } else { "" };
    format!("not asked: {condition}: {count} questions: {reason}{advice}")
}

/// Returns the lines about all questions of `run` that were not asked. Missing responses are no part of them.
pub fn lines(plan: &Plan<'_>, run: &Run) -> Vec<String> {
    let by_condition = plan.suite.conditions.iter().zip(&run.unanswerable);
    let all = by_condition.flat_map(|(condition, reasons)| reasons.iter().map(move |found| (condition, found)));
    all.filter(|(_, (reason, _))| **reason != NO_RESPONSE)
        .map(|(condition, (reason, count))| line(&condition.id, reason, *count))
        .collect()
}
