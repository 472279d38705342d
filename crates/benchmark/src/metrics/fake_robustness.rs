//! Signs that an attack failed rather than that the model is robust (Athalye, Carlini and Wagner, 2018; Carlini et al.,
//! 2019): a larger size that does not help the attack, a loss that falls along the steps, an attack that is no stronger
//! than random signs, and a transferred attack that is stronger than one made on the evaluated model.
//!
//! Attacks are compared on the items evaluated under both. An attack counts as weaker where it leaves more items right
//! than chance explains at 5 % (one-sided exact sign test on the items that differ), so that one unlucky item raises
//! no alarm.

use super::metric::share;
use super::outcome_table::{ItemRow, OutcomeTable};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::stats::paired::mcnemar_exact;
use crate::suite::Condition;

/// Result of one of the [`checks`] for signs that an attack failed rather than that the model is robust.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Machine-readable id: the name of the check (see [`checks`]) and, after colons, the ids of the compared
    /// conditions or the kind of the compared attacks. Only the name where the suite has nothing to compare.
    pub id: String,
    /// Label shown to people.
    pub label: String,
    /// Verdict of the check.
    pub verdict: CheckVerdict,
    /// Number of items in the comparison: those evaluated under all compared conditions. For `loss_does_not_fall`,
    /// those with at least two recorded losses, all of them finite.
    pub n: usize,
    /// Compared numbers by name, such as accuracies (0 to 1) and p-values; empty where the check does not apply.
    pub numbers: IndexMap<String, f64>,
    /// Reason why the check does not apply; empty where it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Verdict of a [`Check`]: whether the robustness measured with an attack can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// No sign that the attack failed.
    Pass,
    /// A sign that the attack failed: robustness measured with this attack is not credible.
    Fail,
    /// There is nothing to compare: the suite lacks the conditions, or no item was evaluated under all of them.
    NotApplicable,
}

/// Significance level of a difference in the wrong direction.
const LEVEL: f64 = 0.05;

/// Share of the loss's whole rise by which the loss may fall on the way, because steps of one size overshoot.
const FALL: f64 = 0.1;

/// Runs five checks, each on every condition or pair of conditions of the suite that it applies to, and returns their
/// results in this order:
///
/// - `accuracy_does_not_rise_with_eps`: accuracy under untargeted `fgsm` and `pgd` does not rise with the size;
/// - `loss_does_not_fall`: the mean loss of `pgd` and `transfer` does not fall along the steps by more than a tenth of
///   its whole rise;
/// - `pgd_at_least_as_strong_as_fgsm`: `pgd` leaves no more items right than `fgsm` of the same size;
/// - `at_least_as_strong_as_noise`: `fgsm` and `pgd` leave no more items right than `random_sign` of the same size;
/// - `transfer_weaker_than_white_box`: `pgd` leaves no more items right than `transfer` of the same size.
///
/// More items count as right where a one-sided exact sign test gives p < 0.05, on the items evaluated under all
/// compared conditions. Only `loss_does_not_fall` includes targeted attacks. A check without conditions yields one
/// [`CheckVerdict::NotApplicable`] entry.
#[must_use]
pub fn checks(table: &OutcomeTable<'_>) -> Vec<Check> {
    let families: [(&str, &str, Vec<Check>); 5] = [
        ("accuracy_does_not_rise_with_eps", "accuracy does not rise with the size of the attack", rises(table)),
        ("loss_does_not_fall", "the attacked loss does not fall along the steps of the attack", falls(table)),
        (
            "pgd_at_least_as_strong_as_fgsm",
            "an attack of many steps is at least as strong as one of a single step",
            many_steps(table),
        ),
        ("at_least_as_strong_as_noise", "an attack is at least as strong as random signs", against_noise(table)),
        (
            "transfer_weaker_than_white_box",
            "an attack made on the base is at most as strong as one made on the model",
            transfers(table),
        ),
    ];
    let mut checks = Vec::new();
    for (id, label, found) in families {
        if found.is_empty() {
            checks.push(Check {
                id: id.to_owned(),
                label: label.to_owned(),
                verdict: CheckVerdict::NotApplicable,
                n: 0,
                numbers: IndexMap::new(),
                reason: "the suite has no conditions to compare".to_owned(),
            });
        }
        checks.extend(found.into_iter().map(|check| Check { label: format!("{label}{}", check.label), ..check }));
    }
    checks
}

/// An untargeted condition with a size.
struct Aimed<'a> {
    c: usize,
    condition: &'a Condition,
    eps: f64,
}

fn aimed<'a>(table: &OutcomeTable<'a>, kind: &str) -> Vec<Aimed<'a>> {
    let of_kind = table.of_kind(kind).filter(|(_, condition)| !condition.flag("targeted"));
    of_kind.filter_map(|(c, condition)| Some(Aimed { c, condition, eps: condition.number("eps")? })).collect()
}

fn rises(table: &OutcomeTable<'_>) -> Vec<Check> {
    let clean = table.clean();
    let of = |kind: &str| {
        let mut sizes = aimed(table, kind);
        if sizes.is_empty() {
            return None;
        }
        sizes.sort_by(|a, b| a.eps.total_cmp(&b.eps));
        let ladder: Vec<(f64, usize)> =
            [(0.0, clean)].into_iter().chain(sizes.iter().map(|size| (size.eps, size.c))).collect();
        let asked: Vec<&ItemRow<'_>> =
            table.rows.iter().filter(|row| ladder.iter().all(|(_, c)| row.at(*c).is_some())).collect();
        let mut numbers = IndexMap::new();
        let mut rises = false;
        for (place, &(eps, c)) in ladder.iter().enumerate() {
            let right: f64 = asked.iter().filter_map(|row| row.right(c)).sum();
            numbers.extend(share(right, asked.len() as f64).map(|share| (format!("accuracy at {eps}/255"), share)));
            // A slow rise shows only against much smaller sizes.
            if let Some(p) = ladder[..place].iter().map(|(_, smaller)| more_right(&asked, c, *smaller)).reduce(f64::min)
            {
                rises |= p < LEVEL;
                numbers.insert(format!("p of a rise to {eps}/255"), p);
            }
        }
        let id = format!("accuracy_does_not_rise_with_eps:{kind}");
        Some(check(id, format!(", {kind}"), asked.len(), numbers, rises))
    };
    ["fgsm", "pgd"].into_iter().filter_map(of).collect()
}

fn falls(table: &OutcomeTable<'_>) -> Vec<Check> {
    let of = |(c, condition): (usize, &Condition)| {
        let losses: Vec<Vec<f64>> = table
            .rows
            .iter()
            .filter_map(|row| row.at(c)?.attack.as_ref()?.losses.iter().copied().collect::<Option<Vec<f64>>>())
            .filter(|losses| losses.len() > 1)
            .collect();
        let steps = losses.iter().map(Vec::len).min().unwrap_or_default();
        let mean = |step: usize| losses.iter().map(|losses| losses[step]).sum::<f64>() / losses.len() as f64;
        let curve: Vec<f64> = (0..steps).map(mean).collect();
        let (mut highest, mut fall) = (f64::NEG_INFINITY, 0.0f64);
        for &loss in &curve {
            highest = highest.max(loss);
            fall = fall.max(highest - loss);
        }
        let (first, last) = (curve.first().copied().unwrap_or_default(), curve.last().copied().unwrap_or_default());
        let lower = losses.iter().filter(|losses| losses[steps - 1] < losses[0]).count() as f64;
        // Tolerance for rounding: sums of equal losses differ in their last bits.
        let noise = 1e-6 * (1.0 + first.abs());
        let fell = fall > (FALL * (highest - first)).max(noise);
        let numbers = [
            ("mean loss at the start", first),
            ("mean loss at the end", last),
            ("largest fall on the way", fall),
            ("share of items whose loss ended lower", share(lower, losses.len() as f64).unwrap_or_default()),
        ];
        let numbers = numbers.map(|(name, number)| (name.to_owned(), number)).into_iter().collect();
        check(
            format!("loss_does_not_fall:{}", condition.id),
            format!(", {}", condition.id),
            losses.len(),
            numbers,
            fell,
        )
    };
    table.of_kind("pgd").chain(table.of_kind("transfer")).map(of).collect()
}

fn many_steps(table: &OutcomeTable<'_>) -> Vec<Check> {
    let single = aimed(table, "fgsm");
    let pairs = aimed(table, "pgd").into_iter().flat_map(|many| {
        let one = single.iter().filter(move |one| one.eps == many.eps);
        one.map(move |one| ((many.c, many.condition), (one.c, one.condition)))
    });
    pairs.map(|(many, one)| stronger(table, "pgd_at_least_as_strong_as_fgsm", many, one)).collect()
}

fn against_noise(table: &OutcomeTable<'_>) -> Vec<Check> {
    let noises = aimed(table, "random_sign");
    let attacks = ["fgsm", "pgd"].into_iter().flat_map(|kind| aimed(table, kind));
    let pairs = attacks.flat_map(|attack| {
        let noise = noises.iter().filter(move |noise| noise.eps == attack.eps);
        noise.map(move |noise| ((attack.c, attack.condition), (noise.c, noise.condition)))
    });
    pairs.map(|(attack, noise)| stronger(table, "at_least_as_strong_as_noise", attack, noise)).collect()
}

fn transfers(table: &OutcomeTable<'_>) -> Vec<Check> {
    let white = aimed(table, "pgd");
    let pairs = aimed(table, "transfer").into_iter().flat_map(|black| {
        let white = white.iter().filter(move |white| white.eps == black.eps);
        white.map(move |white| ((white.c, white.condition), (black.c, black.condition)))
    });
    pairs.map(|(white, black)| stronger(table, "transfer_weaker_than_white_box", white, black)).collect()
}

/// Checks that the first attack leaves no more items right than the second.
fn stronger(
    table: &OutcomeTable<'_>,
    id: &str,
    (strong, strong_is): (usize, &Condition),
    (weak, weak_is): (usize, &Condition),
) -> Check {
    let asked: Vec<&ItemRow<'_>> =
        table.rows.iter().filter(|row| row.at(strong).is_some() && row.at(weak).is_some()).collect();
    let p = more_right(&asked, strong, weak);
    let accuracy = |c: usize| share(asked.iter().filter_map(|row| row.right(c)).sum(), asked.len() as f64);
    let numbers = [
        (format!("accuracy, {}", strong_is.id), accuracy(strong)),
        (format!("accuracy, {}", weak_is.id), accuracy(weak)),
        ("p".to_owned(), Some(p)),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, number?))).collect();
    let label = format!(", {} against {}", strong_is.id, weak_is.id);
    check(format!("{id}:{}:{}", strong_is.id, weak_is.id), label, asked.len(), numbers, p < LEVEL)
}

/// One-sided p-value of the items that are right under `c` and not under `other`; 1 where these are no more than the
/// other way round.
fn more_right(asked: &[&ItemRow<'_>], c: usize, other: usize) -> f64 {
    let only = |c: usize, other: usize| {
        asked.iter().filter(|row| row.right(c) == Some(1.0) && row.right(other) == Some(0.0)).count()
    };
    let (more, fewer) = (only(c, other), only(other, c));
    if more > fewer { mcnemar_exact(more, fewer) / 2.0 } else { 1.0 }
}

fn check(id: String, label: String, n: usize, numbers: IndexMap<String, f64>, failed: bool) -> Check {
    let (verdict, numbers, reason) = match (n, failed) {
        (0, _) => (CheckVerdict::NotApplicable, IndexMap::new(), "no item was evaluated under all of these conditions"),
        (_, true) => (CheckVerdict::Fail, numbers, ""),
        (_, false) => (CheckVerdict::Pass, numbers, ""),
    };
    Check { id, label, verdict, n, numbers, reason: reason.to_owned() }
}
