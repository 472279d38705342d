//! Accuracy by the size of an attack, on the same items at every size, so that a curve changes because of the attack
//! and not because of other items.

use super::metric::{Better, Metric};
use super::outcome_table::{ItemRow, OutcomeTable};
use crate::suite::Condition;

/// Kinds of condition that have a size. Targeted attacks are left out, because they are another attack.
const KINDS: [&str; 4] = ["fgsm", "pgd", "transfer", "random_sign"];

/// Returns `eps_accuracy:KIND:EPS` for each of the kinds `fgsm`, `pgd`, `transfer` and `random_sign` that the suite has
/// untargeted with at least two sizes. It is the accuracy under the attack of size `EPS`, in 255ths of the full scale;
/// size 0 is the clean question. All sizes of a kind share the items that were evaluated at every size; without such
/// items the metric is not defined.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    KINDS.iter().flat_map(|kind| of_kind(table, kind)).collect()
}

fn of_kind(table: &OutcomeTable<'_>, kind: &str) -> Vec<Metric> {
    let sized = |(c, condition): (usize, &Condition)| Some((condition.number("eps")?, c));
    let untargeted = table.of_kind(kind).filter(|(_, condition)| !condition.flag("targeted"));
    let mut ladder: Vec<(f64, usize)> = untargeted.filter_map(sized).collect();
    ladder.sort_by(|a, b| a.0.total_cmp(&b.0));
    ladder.dedup_by_key(|(eps, _)| *eps);
    if ladder.len() < 2 {
        return Vec::new();
    }
    ladder.insert(0, (0.0, table.clean()));
    let everywhere = |row: &ItemRow<'_>| ladder.iter().all(|(_, c)| row.at(*c).is_some());
    let of_size = |&(eps, c): &(f64, usize)| {
        Metric::mean(
            format!("eps_accuracy:{kind}:{eps}"),
            format!("accuracy, {kind} of size {eps}/255, on the items evaluated at every size"),
            Better::Higher,
            table.sums(|row| everywhere(row).then_some([row.right(c)?, 1.0])),
        )
    };
    ladder.iter().map(of_size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Crossing;
    use crate::suite::Suite;

    #[test]
    fn sizes_come_in_order_and_one_size_makes_no_curve() {
        let mut text =
            "name = \"s\"\nversion = 1\nseed = 1\n[[condition]]\nid = \"clean\"\nkind = \"clean\"\n".to_owned();
        for (id, rest) in [
            ("a", "kind = \"pgd\"\neps = 8"),
            ("b", "kind = \"pgd\"\neps = 0.5"),
            ("c", "kind = \"pgd\"\neps = 2\ntargeted = true"),
            ("d", "kind = \"pgd\"\neps = 8\nsteps = 3"),
            ("e", "kind = \"fgsm\"\neps = 2"),
        ] {
            text.push_str(&format!("[[condition]]\nid = \"{id}\"\n{rest}\n"));
        }
        let suite = Suite::parse(&text, "s.toml".as_ref()).expect("valid");
        let ids: Vec<String> =
            metrics(&OutcomeTable::new(&suite, &Crossing::default(), [])).into_iter().map(|metric| metric.id).collect();
        assert_eq!(ids, ["eps_accuracy:pgd:0", "eps_accuracy:pgd:0.5", "eps_accuracy:pgd:8"]);
    }
}
