//! Table of all evaluated epochs of a run, next to the base and the guard.

use stepwise_trainer::standings::Standings;

use crate::table::Table;
use crate::table::cell::{number, signed, with_interval};

/// Makes the table, with a note where the delivered epoch is not better than the base or a better one is outside the
/// guard. Without a second epoch and without such a note there is no table.
pub fn table(title: String, standings: &Standings) -> Option<Table> {
    let warning = standings.warning();
    if standings.epochs.len() < 2 && warning.is_none() {
        return None;
    }
    let mut table = Table::new(title, ["epoch", "base"]);
    table.head.extend([standings.metric.clone(), "gain [95 % interval]".to_owned()]);
    let shows_guard = standings.guard != standings.metric;
    if shows_guard {
        table.head.push(standings.guard.clone());
    }
    table.head.push(String::new());
    for standing in &standings.epochs {
        let gain = standing.gain.as_ref().map_or_else(|| signed(None), with_interval);
        let mut row = vec![standing.epoch.to_string(), number(standing.base), number(standing.value), gain];
        row.extend(shows_guard.then(|| number(standing.guard)));
        row.push(standing.remark().to_owned());
        table.rows.push(row);
    }
    table.notes.extend(warning);
    Some(table)
}
