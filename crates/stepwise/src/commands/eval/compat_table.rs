//! Table of published scoring rules.

use stepwise_benchmark::compat::CompatScore;

use crate::table::Table;
use crate::table::cell::{number, signed};

/// Makes the table of the scores by published scoring rules, next to the strict scores; rules without a score are
/// listed below with the reason.
pub fn table(scores: &[CompatScore]) -> Table {
    let mut table = Table::new("published scoring rules", ["", "n", "as published", "n", "strict", "difference"]);
    for score in scores {
        match &score.skipped {
            Some(reason) => table.notes.push(format!("{}: not scored: {reason}", score.id)),
            None => {
                table.rows.push(vec![
                    score.id.clone(),
                    score.n.to_string(),
                    number(score.accuracy),
                    score.strict_n.to_string(),
                    number(score.strict_accuracy),
                    signed(score.difference),
                ]);
                for other in &score.other {
                    table.rows.push(vec![
                        format!("  {}", other.measure),
                        String::new(),
                        number(other.value),
                        String::new(),
                        number(other.strict),
                        signed(other.value.zip(other.strict).map(|(value, strict)| value - strict)),
                    ]);
                }
                table.notes.push(format!("{}: {}: {}", score.id, score.source, score.fault));
            }
        }
    }
    table
}
