//! Split of imported cases into train, validation and test.

use std::collections::BTreeMap;

use stepwise_data::case::Case;
use stepwise_data::split::{Group, Shares, assign, keep_together, linked};

use super::output::Output;

/// Shares of train, validation and test for a source without a split of its own.
const SHARES: Shares = [0.7, 0.15, 0.15];

/// Strata with fewer groups than this are merged into one, because a small stratum would go to one side entirely.
const LEAST_GROUPS: usize = 5;

/// Splits the cases by group, each stratum separately, and sets their sides in place: 70 % of the cases for training,
/// 15 % each for validation and test. Groups with near-duplicate images go to the same side; strata of fewer than five
/// groups are split together, because a small one would go to one side entirely.
///
/// `strata` holds the stratum of each case; `output` has the images. Returns one line for each group that
/// was joined to another one.
pub(super) fn split(seed: u64, output: &Output, cases: &mut [Case], strata: &[String]) -> Vec<String> {
    let places = places(output, cases);
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let ids: Vec<String> = places.iter().map(|place| cases[*place].group_id.clone()).collect();
    for (id, stratum) in ids.iter().zip(strata) {
        let group = || Group { id: id.clone(), stratum: stratum.clone(), cases: 0 };
        groups.entry(id).or_insert_with(group).cases += 1;
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    groups.iter().for_each(|group| *sizes.entry(group.stratum.clone()).or_default() += 1);
    for group in groups.iter_mut().filter(|group| sizes[&group.stratum] < LEAST_GROUPS) {
        group.stratum = "few".into();
    }
    let sides = assign(seed, &groups, SHARES);
    let mut notes = Vec::new();
    for (case, id) in cases.iter_mut().zip(&ids) {
        case.split = sides[id];
        if case.group_id != *id {
            notes.push(format!("{}: kept on the side of {id}, because they share near-duplicates", case.group_id));
        }
    }
    notes.dedup();
    notes
}

/// Keeps the split of the source, but moves, in place, cases of one group and near-duplicates of a validation or test
/// case to the side of that case (test before validation), so that no image is used for both training and evaluation.
/// `output` has the images. Returns one line for each case that was moved.
pub(super) fn keep(output: &Output, cases: &mut [Case]) -> Vec<String> {
    let places = places(output, cases);
    let moved = keep_together(cases, &places).into_iter().map(|place| &cases[place]);
    moved
        .map(|case| format!("{}: moved to {}, because a near-duplicate is there", case.case_id, case.split.word()))
        .collect()
}

/// Returns for each case the index of the first case that must be on the same side. `output` has the images.
fn places(output: &Output, cases: &[Case]) -> Vec<usize> {
    linked(cases, |case, image| output.fingerprint(&cases[case].images[image]))
}
