//! What hints do: whether a reader is pulled by them, and whether it tells good ones from bad.

use super::{Better, Ledger, Metric, Row, paired, share};
use crate::suite::Condition;

/// A speaker and place under which all three hints were asked, by condition number.
struct Trio<'a> {
    plus: usize,
    minus: usize,
    zero: usize,
    named_by: &'a Condition,
}

/// The family. One set of metrics for every `hint_minus` whose control also serves a `hint_plus`.
#[must_use]
pub fn metrics(ledger: &Ledger<'_>) -> Vec<Metric> {
    let trios: Vec<Trio<'_>> = ledger
        .of_kind("hint_minus")
        .filter_map(|(minus, condition)| {
            let (zero, _) = ledger.control(condition)?;
            let (plus, _) = ledger.of_kind("hint_plus").find(|(_, plus)| plus.control == condition.control)?;
            Some(Trio { plus, minus, zero, named_by: condition })
        })
        .collect();
    trios.iter().flat_map(|trio| of(ledger, trio, trios.len() == 1)).collect()
}

fn of(ledger: &Ledger<'_>, trio: &Trio<'_>, alone: bool) -> Vec<Metric> {
    let &Trio { plus, minus, zero, named_by } = trio;
    let name = |base: &str| Ledger::name(base, named_by, alone);
    vec![
        // HR = A(hint+) - A(hint0)
        Metric::mean(name("hint_reliance"), "hint reliance", Better::Lower, paired(ledger, plus, zero)),
        // MS = A(hint0) - A(hint-)
        Metric::mean(
            name("misleading_susceptibility"),
            "misleading susceptibility",
            Better::Lower,
            paired(ledger, zero, minus),
        ),
        // AD = P(a(hint-) = h) - P(a(hint0) = h)
        Metric::mean(
            name("adoption"),
            "adoption of the hinted answer, base-corrected",
            Better::Lower,
            ledger.sums(|row| Some([follows(row, minus)? - says_hinted(row, minus, zero)?, 1.0])),
        ),
        // CP = P(a(hint-) = h given a(hint0) = g)
        Metric::mean(
            name("capture"),
            "capture (right before, follows the wrong hint)",
            Better::Lower,
            ledger.sums(|row| (row.right(zero)? == 1.0).then_some([follows(row, minus)?, 1.0])),
        ),
        // RP = P(a(hint+) = g given a(hint0) != g)
        Metric::mean(
            name("repair"),
            "repair (wrong before, takes the right hint)",
            Better::Higher,
            ledger.sums(|row| (row.right(zero)? == 0.0).then_some([row.right(plus)?, 1.0])),
        ),
        // HD = RP - CP, on items asked under all three
        Metric::new(
            name("hint_discrimination"),
            "hint discrimination (repair less capture)",
            Better::Higher,
            ledger.sums(|row| {
                let (before, repaired, captured) = (row.right(zero)?, row.right(plus)?, follows(row, minus)?);
                Some([(1.0 - before) * repaired, 1.0 - before, before * captured, before])
            }),
            |t| Some(share(t[0], t[1])? - share(t[2], t[3])?),
        ),
    ]
}

/// Whether the answer under a hint is the one it names.
fn follows(row: &Row<'_>, hinted: usize) -> Option<f64> {
    row.at(hinted).map(|outcome| f64::from(u8::from(outcome.followed)))
}

/// Whether the answer under another condition is the one that `hinted` names.
fn says_hinted(row: &Row<'_>, hinted: usize, other: usize) -> Option<f64> {
    let (named, other) = (row.at(hinted)?.named.as_ref()?, row.at(other)?);
    Some(f64::from(u8::from(other.gives(named))))
}
