//! Evaluation plan: which item is asked under which condition. A plan depends on the suite and the cases only, so every
//! model and every epoch gets the same questions. Items left out are counted by reason.
//!
//! A plan is built once per evaluation and handed on to the power analysis, the run, the published scoring rules and the
//! worst cases. It keeps only those parts of a perturbation that [`Plan::item`] needs; [`Plan::perturbed`] computes the
//! whole perturbation again. The full suite over 2000 cases has 1.5 million entries: to keep their perturbations would
//! take 1 GB, and to compute them again takes 5 microseconds an entry, which is little beside the model's answer.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngCore;
use stepwise_data::case::{Case, Item};

use crate::perturb::{Perturbed, Pool, Scene};
use crate::subset::OUTSIDE;
use crate::suite::{Condition, Suite};

/// All questions that a suite asks about a set of cases, with the items that are left out.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Suite that is planned.
    pub suite: &'a Suite,
    /// All cases given. Swapped images may come from cases that are not evaluated.
    pub pool: Pool<'a>,
    /// Indices of the evaluated cases in the pool, ascending; empty where no case has an item in the suite's subset.
    pub chosen: Vec<usize>,
    /// Questions, sorted by case, item and condition.
    pub entries: Vec<PlanEntry>,
    /// For each condition of the suite, the number of items of the chosen cases that are left out, by reason.
    pub skipped: Vec<BTreeMap<&'static str, usize>>,
    /// Items that replace the stored item where a condition changes options, answer or question.
    replaced: BTreeMap<PlanEntry, Item>,
    /// Cases with moved regions, by case and condition, where the condition moves regions.
    moved: BTreeMap<(usize, usize), Case>,
}

/// One planned question: one item under one condition, by indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanEntry {
    /// Index of the case in the pool.
    pub case: usize,
    /// Index of the item in the chain of the case.
    pub item: usize,
    /// Index of the condition in the suite.
    pub condition: usize,
}

/// Reason, in [`Plan::skipped`], for items left out because a condition has more than its `max_items`.
pub const CAPPED: &str = "above the condition's cap on items";

impl<'a> Plan<'a> {
    /// Plans `suite` over `cases`, whose ids must be unique. Items outside a subset, above a cap, or to which a
    /// condition does not apply are counted in [`Plan::skipped`]; items of cases that are not chosen are not counted.
    /// The clean question of every answer that another condition repeats is always planned.
    #[must_use]
    pub fn new(suite: &'a Suite, cases: &'a [Case]) -> Self {
        let pool = Pool::new(cases);
        let chosen = choose_cases(suite, cases);
        let scene = |case: usize, item: usize| Scene {
            case: &cases[case],
            item: &cases[case].chain[item],
            pool: &pool,
            rng: suite.rng(),
        };
        let mut entries = BTreeSet::new();
        let mut replaced = BTreeMap::new();
        let mut moved = BTreeMap::new();
        let mut recalled = BTreeSet::new();
        let mut skipped = Vec::new();
        for (number, condition) in suite.conditions.iter().enumerate() {
            let mut reasons: BTreeMap<&'static str, usize> = BTreeMap::new();
            let mut applicable = Vec::new();
            for &case in &chosen {
                for item in 0..cases[case].chain.len() {
                    if !asks(suite, condition, &cases[case], item) {
                        *reasons.entry(OUTSIDE).or_default() += 1;
                        continue;
                    }
                    match condition.perturbation.perturb(&scene(case, item)) {
                        Ok(perturbed) => applicable.push((PlanEntry { case, item, condition: number }, perturbed)),
                        Err(skip) => *reasons.entry(skip.0).or_default() += 1,
                    }
                }
            }
            let kept = cap(suite, cases, applicable.iter().map(|(entry, _)| *entry).collect(), condition);
            if kept.len() < applicable.len() {
                *reasons.entry(CAPPED).or_default() += applicable.len() - kept.len();
            }
            for (entry, perturbed) in applicable.into_iter().filter(|(entry, _)| kept.contains(entry)) {
                replaced.extend(perturbed.item.map(|item| (entry, item)));
                if let Some(regions) = perturbed.regions {
                    let case = || Case { regions, ..cases[entry.case].clone() };
                    moved.entry((entry.case, number)).or_insert_with(case);
                }
                let first = perturbed.recall.iter().flat_map(|recall| recall.items(entry.item));
                recalled.extend(first.map(|item| (entry.case, item)));
            }
            entries.extend(kept);
            skipped.push(reasons);
        }
        // A repeated answer needs its clean question, even above the cap or outside the subset of the clean condition.
        if let Some(clean) = suite.conditions.iter().position(|condition| condition.kind == "clean") {
            for (case, item) in recalled {
                if entries.insert(PlanEntry { case, item, condition: clean }) {
                    let inside = asks(suite, &suite.conditions[clean], &cases[case], item);
                    lower(&mut skipped[clean], if inside { CAPPED } else { OUTSIDE });
                }
            }
        }
        Self { suite, pool, chosen, entries: entries.into_iter().collect(), skipped, replaced, moved }
    }

    /// Returns case and item of an entry, with the regions and the item that the entry's condition puts in place of the
    /// stored ones.
    ///
    /// # Panics
    /// When the pool has no such case or item.
    #[must_use]
    pub fn item(&self, entry: PlanEntry) -> (&Case, &Item) {
        let stored = &self.pool.cases()[entry.case];
        let case = self.moved.get(&(entry.case, entry.condition)).unwrap_or(stored);
        (case, self.replaced.get(&entry).unwrap_or(&case.chain[entry.item]))
    }

    /// Returns the question of the entry's stored item. Conditions such as negations ask another one in its place, and
    /// all of them are about this question.
    ///
    /// # Panics
    /// When the pool has no such case or item.
    #[must_use]
    pub fn stored_question(&self, entry: PlanEntry) -> &str {
        &self.pool.cases()[entry.case].chain[entry.item].question
    }

    /// Returns the entry of an item under a condition, all given by id; None where the plan does not ask it.
    #[must_use]
    pub fn entry(&self, case_id: &str, item_id: &str, condition: &str) -> Option<PlanEntry> {
        let case = self.pool.number(case_id)?;
        let item = self.pool.cases()[case].chain.iter().position(|item| item.id == item_id)?;
        let condition = self.suite.conditions.iter().position(|of_suite| of_suite.id == condition)?;
        let entry = PlanEntry { case, item, condition };
        self.entries.binary_search(&entry).is_ok().then_some(entry)
    }

    /// Returns the condition of an entry.
    ///
    /// # Panics
    /// When the suite has no such condition.
    #[must_use]
    pub fn condition(&self, entry: PlanEntry) -> &'a Condition {
        &self.suite.conditions[entry.condition]
    }

    /// Computes the changes that the entry's condition makes to its item. `None` where the condition does not apply to
    /// the item, which never happens for an entry of the plan.
    ///
    /// # Panics
    /// When the pool has no such case or item, or the suite no such condition.
    #[must_use]
    pub fn perturbed(&self, entry: PlanEntry) -> Option<Perturbed> {
        self.condition(entry).perturbation.perturb(&self.scene(entry)).ok()
    }

    /// Returns the input of the entry's perturbation: the stored item with its case, the pool and the suite's random
    /// draws.
    ///
    /// # Panics
    /// When the pool has no such case or item.
    #[must_use]
    pub fn scene(&self, entry: PlanEntry) -> Scene<'_> {
        let case = &self.pool.cases()[entry.case];
        Scene { case, item: &case.chain[entry.item], pool: &self.pool, rng: self.suite.rng() }
    }
}

/// Whether item number `item` of `case` lies in the subsets of the suite and of the condition.
fn asks(suite: &Suite, condition: &Condition, case: &Case, item: usize) -> bool {
    let item = &case.chain[item];
    suite.subset.holds(case, item) && condition.subset.holds(case, item)
}

/// Lowers the count of `reason` by one and removes a reason without items.
fn lower(reasons: &mut BTreeMap<&'static str, usize>, reason: &'static str) {
    if let Some(count) = reasons.get_mut(reason) {
        *count -= 1;
        if *count == 0 {
            reasons.remove(reason);
        }
    }
}

/// Chooses at most `max_cases` of the cases with an item in the suite's subset. The choice is stratified by each case's
/// rarest `(modality, stage, category)`, so that rare questions are kept.
fn choose_cases(suite: &Suite, cases: &[Case]) -> Vec<usize> {
    let mut frequency: BTreeMap<(&str, u8, &str), usize> = BTreeMap::new();
    let of = |case: &'_ Case, item: &Item| -> (String, u8, String) {
        (case.modality.clone(), item.stage, item.category.clone())
    };
    for case in cases {
        for item in &case.chain {
            *frequency.entry((&case.modality, item.stage, &item.category)).or_default() += 1;
        }
    }
    let about = |case: &Case| case.chain.iter().any(|item| suite.subset.holds(case, item));
    let asked = (0..cases.len()).filter(|&index| about(&cases[index])).map(|index| {
        let case = &cases[index];
        let rarest = case
            .chain
            .iter()
            .min_by_key(|item| {
                (frequency[&(case.modality.as_str(), item.stage, item.category.as_str())], &item.category)
            })
            .map(|item| of(case, item));
        (rarest, suite.rng().stream("choose_case", &[&case.case_id]).next_u64(), index)
    });
    let mut chosen = stratified(asked.collect(), suite.max_cases.unwrap_or(usize::MAX));
    chosen.sort_unstable();
    chosen
}

/// Keeps at most `max_items` entries, stratified by stage. The draw does not depend on the condition, so that a
/// condition and its control keep the same items wherever both apply.
fn cap(suite: &Suite, cases: &[Case], entries: Vec<PlanEntry>, condition: &Condition) -> BTreeSet<PlanEntry> {
    let Some(most) = condition.max_items else {
        return entries.into_iter().collect();
    };
    let ranked = entries.into_iter().map(|entry| {
        let case = &cases[entry.case];
        let item = &case.chain[entry.item];
        (item.stage, suite.rng().stream("cap_item", &[&case.case_id, &item.id]).next_u64(), entry)
    });
    stratified(ranked.collect(), most).into_iter().collect()
}

/// Takes at most `most` of the elements `(stratum, rank, element)`: from each stratum in proportion to its size by
/// largest remainders (the smaller stratum first among equals), and within a stratum by rank.
fn stratified<S: Ord, T: Ord + Copy>(mut ranked: Vec<(S, u64, T)>, most: usize) -> Vec<T> {
    let total = ranked.len();
    if total <= most {
        return ranked.into_iter().map(|(_, _, thing)| thing).collect();
    }
    ranked.sort_unstable();
    let strata: Vec<&[(S, u64, T)]> = ranked.chunk_by(|a, b| a.0 == b.0).collect();
    let exact = |size: usize| size as u128 * most as u128;
    let mut quota: Vec<usize> = strata.iter().map(|stratum| (exact(stratum.len()) / total as u128) as usize).collect();
    let mut order: Vec<usize> = (0..strata.len()).collect();
    order.sort_by_key(|&index| {
        let remainder = exact(strata[index].len()) % total as u128;
        (std::cmp::Reverse(remainder), strata[index].len(), index)
    });
    let missing = most - quota.iter().sum::<usize>();
    for &index in &order[..missing] {
        quota[index] += 1;
    }
    strata.iter().zip(quota).flat_map(|(stratum, quota)| stratum[..quota].iter().map(|(_, _, thing)| *thing)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strata_get_their_share_and_not_one_more(
            things in prop::collection::vec((0u8..5, any::<u64>()), 0..200), most in 1usize..60
        ) {
            let ranked: Vec<_> = things.iter().enumerate().map(|(index, &(stratum, rank))| (stratum, rank, index)).collect();
            let mut taken = stratified(ranked.clone(), most);
            prop_assert_eq!(taken.len(), most.min(things.len()));
            if things.len() > most {
                for stratum in 0..5u8 {
                    let share = things.iter().filter(|(s, _)| *s == stratum).count() as f64 * most as f64 / things.len() as f64;
                    let got = taken.iter().filter(|&&index| things[index].0 == stratum).count() as f64;
                    prop_assert!((got - share).abs() < 1.0, "{} of {}", got, share);
                }
            }
            taken.sort_unstable();
            taken.dedup();
            prop_assert_eq!(taken.len(), most.min(things.len()));
        }
    }
}
