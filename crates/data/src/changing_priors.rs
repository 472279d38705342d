//! Split with changing priors: answers that are common in training are rare in the test side, question by question, as in
//! VQA-CP (Agrawal et al. 2018, "Don't Just Assume; Look and Answer") and SLAKE-CP. A model that learned how often each
//! answer is right, and not to look at the image, loses accuracy on such a test side.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::case::{Answer, Case, Item, Split};
use crate::split::{Group, Shares, assign};

/// Ending of the data set's name in cases of such a split.
pub const ENDING: &str = "-cp";

/// Number of starting points of the search. The best result is taken.
const STARTS: u64 = 16;

/// Largest number of rounds from one starting point. Most end after fewer than ten.
const ROUNDS: usize = 50;

/// How well the most common training answers do on both sides of a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriorAccuracy {
    /// Accuracy on the training side of answering each question with its most common training answer, 0 to 1. NaN without
    /// questions.
    pub train: f64,
    /// Accuracy on the test side, 0 to 1. Questions that the training side lacks count as wrong. NaN without questions.
    pub test: f64,
}

/// Number of items by question and right answer.
type Counts = BTreeMap<(usize, usize), usize>;

/// Cases that must be on one side, with the right answers of their items.
struct Answers {
    /// Smallest group id of the cases.
    id: String,
    /// Whether the cases stay on the training side.
    is_kept: bool,
    cases: usize,
    counts: Counts,
}

/// Returns the side of each case in a split with changing priors. `places` holds, for each case, the index of the first case that
/// must be on the same side, as [`linked`](crate::split::linked) returns it; such cases, called a group here, stay together.
/// A group with a case that `is_kept` names stays on the training side. Where such groups have more than its share, the other
/// two sides divide what is left.
/// `shares` must be valid (see [`crate::split::are_shares`]). The validation side is drawn from what is left after the test
/// side, so its answers are distributed as in training.
///
/// The search moves the groups whose answers are most typical of the test side into it, until nothing changes: with
/// `d(q, a) = P_test(a | q) - P_rest(a | q)`, the score of a group is the mean of `d` over its items, and the groups with the
/// highest scores form the test side. Every round raises the distance of both distributions or ends the search. Among
/// several starting points, the split with the lowest [`PriorAccuracy::test`] is taken.
///
/// Items with a closed set of options count: choices and yes/no questions, by modality and wording.
///
/// # Panics
/// When `places` is shorter than `cases`.
#[must_use]
pub fn changing_priors(
    seed: u64,
    cases: &[Case],
    places: &[usize],
    is_kept: impl Fn(&Case) -> bool,
    shares: Shares,
) -> Vec<Split> {
    let ids = ids(cases, places);
    let groups = answers(cases, &ids, is_kept);
    let all = cases.len() as f64;
    let kept = groups.iter().filter(|group| group.is_kept).map(|group| group.cases).sum::<usize>() as f64;
    let wanted = (shares[2] * all).min((all - kept) * shares[2] / (shares[1] + shares[2]));
    let tests = (0..STARTS).map(|start| search(&groups, wanted, |id| order(seed, start, id)));
    let best = tests.min_by(|one, other| prior_on(&groups, one).total_cmp(&prior_on(&groups, other)));
    let best = best.unwrap_or_default();
    let free = groups.iter().zip(&best).filter(|(group, is_test)| !group.is_kept && !**is_test);
    let free = free.map(|(group, _)| Group { id: group.id.clone(), stratum: String::new(), cases: group.cases });
    let train = (shares[0] - kept / all).max(0.0);
    let left = train + shares[1];
    let of_free = if left > 0.0 { [train / left, shares[1] / left, 0.0] } else { [1.0, 0.0, 0.0] };
    let mut sides = assign(seed, &free.collect::<Vec<_>>(), of_free);
    sides.extend(groups.iter().filter(|group| group.is_kept).map(|group| (group.id.clone(), Split::Train)));
    ids.iter().map(|id| sides.get(*id).copied().unwrap_or(Split::Test)).collect()
}

/// Smallest group id of the cases on the side of each case, so that ids do not depend on the order of the cases.
fn ids<'c>(cases: &'c [Case], places: &[usize]) -> Vec<&'c str> {
    let mut smallest: BTreeMap<usize, &str> = BTreeMap::new();
    for (case, place) in cases.iter().zip(places) {
        let id = smallest.entry(*place).or_insert(&case.group_id);
        *id = (*id).min(&case.group_id);
    }
    (0..cases.len()).map(|case| smallest[&places[case]]).collect()
}

/// Computes how well the most common training answers do on both sides of the split that `cases` record.
#[must_use]
pub fn prior_accuracy(cases: &[Case]) -> PriorAccuracy {
    let side = |split: Split| {
        let mut counts: BTreeMap<(String, String), BTreeMap<String, usize>> = BTreeMap::new();
        for case in cases.iter().filter(|case| case.split == split) {
            for (question, answer) in case.chain.iter().filter_map(|item| asked(case, item)) {
                *counts.entry(question).or_default().entry(answer).or_default() += 1;
            }
        }
        counts
    };
    let (train, test) = (side(Split::Train), side(Split::Test));
    let common = |answers: &BTreeMap<String, usize>| {
        answers.iter().rev().max_by_key(|(_, count)| **count).map(|(answer, _)| answer.clone())
    };
    let accuracy = |counts: &BTreeMap<_, BTreeMap<String, usize>>| {
        let right = counts.iter().filter_map(|(question, answers)| answers.get(&common(train.get(question)?)?));
        let all = counts.values().flat_map(BTreeMap::values);
        right.sum::<usize>() as f64 / all.sum::<usize>() as f64
    };
    PriorAccuracy { train: accuracy(&train), test: accuracy(&test) }
}

/// Question with its modality, and right answer; None for an open question.
fn asked(case: &Case, item: &Item) -> Option<((String, String), String)> {
    let answer = match &item.answer {
        Answer::Choice { options, gold, .. } => options.get(*gold.first()?)?.clone(),
        Answer::Yesno { gold, .. } => gold.to_string(),
        _ => return None,
    };
    Some(((case.modality.clone(), item.question.clone()), answer))
}

/// Groups in order of their ids, with questions and answers as numbers. `ids` holds the id of the group of each case. A group is
/// kept if one of its cases is.
fn answers(cases: &[Case], ids: &[&str], is_kept: impl Fn(&Case) -> bool) -> Vec<Answers> {
    let all = || cases.iter().flat_map(|case| case.chain.iter().filter_map(|item| asked(case, item)));
    // Numbers follow the names, so that they do not depend on the order of the cases.
    let questions: BTreeSet<_> = all().map(|(question, _)| question).collect();
    let questions: BTreeMap<_, usize> = questions.into_iter().zip(0..).collect();
    let names: BTreeSet<String> = all().map(|(_, answer)| answer).collect();
    let names: BTreeMap<String, usize> = names.into_iter().zip(0..).collect();
    let mut groups: BTreeMap<&str, Answers> = BTreeMap::new();
    for (case, id) in cases.iter().zip(ids) {
        let new = || Answers { id: (*id).to_owned(), is_kept: false, cases: 0, counts: Counts::new() };
        let group = groups.entry(id).or_insert_with(new);
        group.cases += 1;
        group.is_kept |= is_kept(case);
        for (question, answer) in case.chain.iter().filter_map(|item| asked(case, item)) {
            *group.counts.entry((questions[&question], names[&answer])).or_default() += 1;
        }
    }
    groups.into_values().collect()
}

/// Whether each group is on the test side, from the starting point that orders groups by `order`. Kept groups are not.
fn search(groups: &[Answers], wanted: f64, order: impl Fn(&str) -> [u8; 32]) -> Vec<bool> {
    let mut by_hash: Vec<usize> = (0..groups.len()).filter(|place| !groups[*place].is_kept).collect();
    by_hash.sort_by_key(|place| order(&groups[*place].id));
    let mut is_test = first(groups, &by_hash, wanted);
    for _ in 0..ROUNDS {
        let (test, rest) = (shares_of(groups, &is_test, true), shares_of(groups, &is_test, false));
        let of = |shares: &BTreeMap<(usize, usize), f64>, key: &(usize, usize)| shares.get(key).copied().unwrap_or(0.0);
        let score = |group: &Answers| {
            let items: usize = group.counts.values().sum();
            let sum: f64 =
                group.counts.iter().map(|(key, count)| *count as f64 * (of(&test, key) - of(&rest, key))).sum();
            sum / items.max(1) as f64
        };
        let scores: Vec<f64> = groups.iter().map(score).collect();
        let mut ranked = by_hash.clone();
        ranked.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
        let next = first(groups, &ranked, wanted);
        if next == is_test {
            break;
        }
        is_test = next;
    }
    is_test
}

/// The first groups in the order `ranked` that have together at most `wanted` cases, rounded to the nearest group.
fn first(groups: &[Answers], ranked: &[usize], wanted: f64) -> Vec<bool> {
    let mut is_test = vec![false; groups.len()];
    let mut given = 0.0;
    for place in ranked {
        let cases = groups[*place].cases as f64;
        if given + cases / 2.0 > wanted {
            break;
        }
        given += cases;
        is_test[*place] = true;
    }
    is_test
}

/// Share of each answer among the items of its question, on the test side or on the rest.
fn shares_of(groups: &[Answers], is_test: &[bool], side: bool) -> BTreeMap<(usize, usize), f64> {
    let counts = counts_of(groups, is_test, side);
    let mut totals: BTreeMap<usize, usize> = BTreeMap::new();
    counts.iter().for_each(|((question, _), count)| *totals.entry(*question).or_default() += count);
    counts.into_iter().map(|(key, count)| (key, count as f64 / totals[&key.0] as f64)).collect()
}

fn counts_of(groups: &[Answers], is_test: &[bool], side: bool) -> Counts {
    let mut counts = Counts::new();
    for (group, _) in groups.iter().zip(is_test).filter(|(_, is_test)| **is_test == side) {
        group.counts.iter().for_each(|(key, count)| *counts.entry(*key).or_default() += count);
    }
    counts
}

/// Accuracy on the test side of the most common answers of the rest.
fn prior_on(groups: &[Answers], is_test: &[bool]) -> f64 {
    let (test, rest) = (counts_of(groups, is_test, true), counts_of(groups, is_test, false));
    let mut common: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for ((question, answer), count) in rest {
        let best = common.entry(question).or_insert((answer, count));
        if count > best.1 {
            *best = (answer, count);
        }
    }
    let right =
        test.iter().filter(|((question, answer), _)| common.get(question).is_some_and(|best| best.0 == *answer));
    right.map(|(_, count)| count).sum::<usize>() as f64 / test.values().sum::<usize>().max(1) as f64
}

fn order(seed: u64, start: u64, id: &str) -> [u8; 32] {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(start.to_le_bytes());
    hash.chain_update("changing priors").chain_update(id).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::{SIDES, are_shares, linked};
    use crate::synth::{SynthOptions, record};

    const SHARES: Shares = [0.6, 0.1, 0.3];

    fn cases(count: u64) -> Vec<Case> {
        (0..count).map(|index| record(index, &SynthOptions::default())).collect()
    }

    fn with_sides(mut cases: Vec<Case>, sides: &[Split]) -> Vec<Case> {
        cases.iter_mut().zip(sides).for_each(|(case, side)| case.split = *side);
        cases
    }

    fn ordinary(cases: &[Case]) -> Vec<Split> {
        let group = |case: &Case| Group { id: case.group_id.clone(), stratum: String::new(), cases: 1 };
        let sides = assign(1, &cases.iter().map(group).collect::<Vec<_>>(), SHARES);
        cases.iter().map(|case| sides[&case.group_id]).collect()
    }

    /// The split of cases that only their groups link.
    fn changed(seed: u64, cases: &[Case], shares: Shares) -> Vec<Split> {
        changing_priors(seed, cases, &linked(cases, |_, _| None), |_| false, shares)
    }

    #[test]
    fn a_model_of_priors_falls_on_the_test_side() {
        let cases = cases(300);
        let ordinary = prior_accuracy(&with_sides(cases.clone(), &ordinary(&cases)));
        let after = prior_accuracy(&with_sides(cases.clone(), &changed(1, &cases, SHARES)));
        assert!(after.test < ordinary.test - 0.05, "{after:?} against {ordinary:?}");
        assert!(after.train - after.test > ordinary.train - ordinary.test, "{after:?} against {ordinary:?}");
    }

    #[test]
    fn a_question_with_two_answers_changes_its_common_one() {
        let mut cases = cases(100);
        for (index, case) in cases.iter_mut().enumerate() {
            let item = &mut case.chain[0];
            item.question = "Is it there?".to_owned();
            item.answer = Answer::Yesno { gold: index % 2 == 0, pair_of: None };
            case.chain.truncate(1);
            case.modality = "x-ray".to_owned();
        }
        let cases = with_sides(cases.clone(), &changed(3, &cases, [0.5, 0.0, 0.5]));
        let accuracy = prior_accuracy(&cases);
        assert!(accuracy.train > 0.9 && accuracy.test < 0.1, "{accuracy:?}");
    }

    #[test]
    fn groups_stay_whole_and_equal_seeds_give_equal_splits() {
        assert!(are_shares(SHARES));
        let mut cases = cases(120);
        for (index, case) in cases.iter_mut().enumerate() {
            case.group_id = format!("patient-{}", index / 3);
        }
        let sides = changed(5, &cases, SHARES);
        assert!(sides.chunks(3).all(|group| group.iter().all(|side| *side == group[0])), "groups stay whole");
        let mut turned = cases.clone();
        turned.reverse();
        let mut of_turned = changed(5, &turned, SHARES);
        of_turned.reverse();
        assert_eq!(of_turned, sides, "the order of the cases does not matter");
        let test = sides.iter().filter(|side| **side == Split::Test).count() as f64;
        assert!((test / 120.0 - 0.3).abs() <= 0.025, "{test}");
        let used: BTreeSet<Split> = sides.into_iter().collect();
        assert_eq!(used.len(), 3);
    }

    #[test]
    fn linked_cases_are_on_one_side() {
        let cases = cases(120);
        let places: Vec<usize> = (0..cases.len()).map(|case| case - case % 4).collect();
        let sides = changing_priors(5, &cases, &places, |_| false, SHARES);
        assert!(sides.chunks(4).all(|linked| linked.iter().all(|side| *side == linked[0])));
        assert_ne!(sides, changed(5, &cases, SHARES), "without links, other cases are on the test side");
    }

    #[test]
    fn kept_groups_stay_in_training_and_the_other_sides_divide_what_is_left() {
        let cases = cases(120);
        let places = linked(&cases, |_, _| None);
        for (kept, counts) in [(0, [72, 12, 36]), (60, [72, 12, 36]), (96, [96, 6, 18])] {
            let sides = changing_priors(5, &cases, &places, |case| number(case) < kept, SHARES);
            assert!(sides[..kept].iter().all(|side| *side == Split::Train), "{kept}");
            assert_eq!(SIDES.map(|side| sides.iter().filter(|given| **given == side).count()), counts, "{kept}");
        }
    }

    /// Number of a synthetic case.
    fn number(case: &Case) -> usize {
        case.group_id.rsplit(':').next().and_then(|number| number.parse().ok()).expect("a number")
    }

    #[test]
    fn no_cases_and_shares_of_zero_are_no_error() {
        assert!(changed(0, &[], SHARES).is_empty());
        let cases = cases(9);
        assert!(changed(0, &cases, [1.0, 0.0, 0.0]).iter().all(|side| *side == Split::Train));
        assert!(changed(0, &cases, [0.0, 0.0, 1.0]).iter().all(|side| *side == Split::Test));
    }
}
