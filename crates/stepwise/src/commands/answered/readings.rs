//! Table of the two readings of generated replies.

use std::collections::BTreeMap;

use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::score::Verdict;
use stepwise_benchmark::score::flexible::FLEXIBLE_VERSION;
use stepwise_benchmark::score::parse::PARSER_VERSION;
use stepwise_benchmark::suite::Suite;

use crate::table::Table;
use crate::table::cell::{number, signed};

/// Counts of one condition by one reading.
#[derive(Clone, Copy, Default)]
struct Counts {
    right: usize,
    unparsed: usize,
    all: usize,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        self.all += 1;
        self.right += usize::from(outcome.is_right());
        self.unparsed += usize::from(outcome.verdict == Verdict::Unparsed);
    }

    fn accuracy(self) -> Option<f64> {
        (self.all > 0).then(|| self.right as f64 / self.all as f64)
    }
}

/// Makes the table of accuracy by the strict parser and by the flexible reading of the same replies, by condition and
/// over all. None where no reply was generated. `flexible` are the outcomes of `strict`, judged by the flexible reading.
pub fn table(suite: &Suite, strict: &[Outcome], flexible: &[Outcome]) -> Option<Table> {
    let mut counts: BTreeMap<&str, [Counts; 2]> = BTreeMap::new();
    let mut all = [Counts::default(); 2];
    for (side, outcomes) in [strict, flexible].into_iter().enumerate() {
        for outcome in outcomes.iter().filter(|outcome| outcome.reply.is_some()) {
            counts.entry(&outcome.condition).or_default()[side].add(outcome);
            all[side].add(outcome);
        }
    }
    if all[0].all == 0 {
        return None;
    }
    let head = ["", "n", "strict", "flexible", "flexible - strict", "unparsed, strict", "unparsed, flexible"];
    let mut table = Table::new("accuracy by the reading of generated replies", head);
    let own = suite
        .conditions
        .iter()
        .filter_map(|condition| Some((condition.id.as_str(), *counts.get(condition.id.as_str())?)));
    for (name, [strict, flexible]) in own.chain([("all", all)]) {
        let difference = flexible.accuracy().zip(strict.accuracy()).map(|(flexible, strict)| flexible - strict);
        table.rows.push(vec![
            name.to_owned(),
            strict.all.to_string(),
            number(strict.accuracy()),
            number(flexible.accuracy()),
            signed(difference),
            strict.unparsed.to_string(),
            flexible.unparsed.to_string(),
        ]);
    }
    table.notes.push(format!(
        "strict ({PARSER_VERSION}): the whole reply is the answer; flexible ({FLEXIBLE_VERSION}): the answer within a \
         chatty reply. Negations, hedges and two options are no answer in either; all other numbers are strict"
    ));
    Some(table)
}
