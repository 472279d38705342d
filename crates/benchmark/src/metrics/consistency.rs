//! Flip rate and consistency: whether answers stay the same where the right answer does.

use super::metric::{Better, Metric};
use super::outcome_table::OutcomeTable;
use crate::perturb::Purpose;

/// Returns the flip rates and the consistency over other words:
///
/// - `flip_rate:ID` of every condition except the clean one: the share of items whose answer under condition `ID`
///   differs from the clean answer;
/// - `paraphrase_consistency` and `rewording_consistency`, where the suite has conditions `paraphrase` (the question in
///   stored other words) and `reworded` (in other words by rules): the share of items with the same answer as to the
///   clean question (Ribeiro, Guestrin and Singh, 2019; Elazar et al., 2021).
///
/// An unparsed response differs from every answer. Items whose right answer changes under the condition are left out,
/// because there the answer should change. A metric without items evaluated under both conditions is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let mut metrics = Vec::new();
    for (c, condition) in table.conditions().filter(|(c, _)| *c != clean) {
        // FR(c) = P(a(c) != a(0)); consistency is 1 - FR
        let sums = table.sums_under(c, |row| row.keeps_gold(c)?.then_some([1.0 - row.alike(c)?, 1.0]));
        let better = if condition.purpose == Purpose::Attack { Better::Lower } else { Better::Neither };
        metrics.push(Metric::mean(
            format!("flip_rate:{}", condition.id),
            format!("flip rate, {}", condition.id),
            better,
            sums,
        ));
    }
    for (kind, base, label) in [
        (
            "paraphrase",
            "paraphrase_consistency",
            "consistency over paraphrases (same answer to the question in other words)",
        ),
        (
            "reworded",
            "rewording_consistency",
            "consistency over rewordings by rules (same answer to the question in other words)",
        ),
    ] {
        for (c, condition, first) in table.variants(kind) {
            // 1 - FR(c)
            let sums = table.sums(|row| row.keeps_gold(c)?.then_some([row.alike(c)?, 1.0]));
            metrics.push(Metric::mean(OutcomeTable::name(base, condition, first), label, Better::Higher, sums));
        }
    }
    metrics
}
