//! Split of groups of cases into train, validation and test, and joining of groups that must stay together.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::case::{Case, Split};
use crate::near_duplicates::{Fingerprint, near_duplicates};

/// Sides of the split in the order of [`Shares`]: train, validation, test.
pub const SIDES: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// Shares of train, validation and test, each from 0 to 1; they sum to 1.
pub type Shares = [f64; 3];

/// A group of cases that must be on one side of the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Id of the group; key of the assignment.
    pub id: String,
    /// Name of the stratum, for example a diagnosis. Each stratum is split by the shares separately.
    pub stratum: String,
    /// Number of cases in the group.
    pub cases: usize,
}

/// Returns whether the shares are valid: three numbers from 0 to 1 whose sum is 1 within 1e-6.
#[must_use]
pub fn are_shares(shares: Shares) -> bool {
    shares.iter().all(|share| (0.0..=1.0).contains(share)) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6
}

/// Assigns each group to a side of the split and returns the sides by group id; empty without groups. `shares` must be
/// valid (see [`are_shares`]). The result does not depend on the order of the groups. Groups with equal ids are one
/// group; it is counted in the stratum that has most of its cases, the first by name among equals.
///
/// Within a stratum the groups are sorted by a hash of (seed, id). Each group goes to the side that lacks the most
/// cases at that point; of equal sides to the first. A side with a share of 0 gets no group. The shares are met as
/// closely as whole groups allow, even in sets of a few dozen patients, where an independent draw for each group would
/// miss them. The price is that adding a group can move others.
#[must_use]
pub fn assign(seed: u64, groups: &[Group], shares: Shares) -> BTreeMap<String, Split> {
    let mut by_id: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for group in groups {
        *by_id.entry(&group.id).or_default().entry(&group.stratum).or_default() += group.cases;
    }
    let mut strata: BTreeMap<&str, BTreeMap<([u8; 32], &str), usize>> = BTreeMap::new();
    for (id, parts) in by_id {
        let largest = parts.iter().rev().max_by_key(|(_, cases)| **cases).map_or("", |(stratum, _)| *stratum);
        strata.entry(largest).or_default().insert((order_key(seed, id), id), parts.values().sum());
    }
    let mut sides = BTreeMap::new();
    for groups in strata.values() {
        let total: usize = groups.values().sum();
        let mut given = [0usize; 3];
        for ((_, id), cases) in groups {
            let lack = |side: usize| shares[side] * total as f64 - given[side] as f64;
            // A side with a share of 0 gets no group.
            let side = (0..3).filter(|side| shares[*side] > 0.0).fold(None, |best: Option<usize>, side| match best {
                Some(best) if lack(best) >= lack(side) => Some(best),
                _ => Some(side),
            });
            let side = side.unwrap_or(0);
            given[side] += cases;
            sides.insert((*id).to_owned(), SIDES[side]);
        }
    }
    sides
}

fn order_key(seed: u64, id: &str) -> [u8; 32] {
    Sha256::new().chain_update(seed.to_le_bytes()).chain_update("split").chain_update(id).finalize().into()
}

/// Returns for each case the index of the first case that must be on the same side of a split. Cases must be on one side if
/// they have one group or one image (by its recorded digest, where it is not empty), if they have images that are
/// near-duplicates, and if other cases link them in these ways.
///
/// `fingerprint` returns the fingerprint of an image, given the index of the case and the index of the image in the case; an
/// image without one has no near-duplicates.
#[must_use]
pub fn linked<'f>(cases: &[Case], fingerprint: impl Fn(usize, usize) -> Option<&'f Fingerprint>) -> Vec<usize> {
    let mut of_group: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_image: BTreeMap<&str, usize> = BTreeMap::new();
    let mut equal = Vec::new();
    let mut images = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        equal.push((*of_group.entry(&case.group_id).or_insert(place), place));
        for (index, image) in case.images.iter().enumerate() {
            if !image.sha256.is_empty() {
                equal.push((*of_image.entry(&image.sha256).or_insert(place), place));
            }
            images.extend(fingerprint(place, index).map(|fingerprint| (place, fingerprint)));
        }
    }
    let known = join(cases.len(), equal.iter().copied());
    let fingerprints: Vec<&Fingerprint> = images.iter().map(|(_, fingerprint)| *fingerprint).collect();
    let near = near_duplicates(&fingerprints, |one, other| known[images[one].0] != known[images[other].0]);
    let near = near.into_iter().map(|pair| (images[pair.one].0, images[pair.other].0));
    join(cases.len(), equal.into_iter().chain(near))
}

/// Computes the connected components of `count` nodes, numbered from 0, that are joined by the pairs in `links`.
/// Returns for each node the smallest node of its component.
///
/// # Panics
/// When a link names a node that is not below `count`.
#[must_use]
pub fn join(count: usize, links: impl IntoIterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut sets = Sets::new(count);
    for (one, other) in links {
        sets.join(one, other);
    }
    (0..count).map(|place| sets.find(place)).collect()
}

/// Moves cases, in place, to the side of the case that they must stay with: test before validation before training, so that no
/// image is used for both training and evaluation. `places` holds, for each case, the index of the first case that must be on
/// the same side, as [`linked`] returns it. Returns the indices of the moved cases in ascending order.
///
/// # Panics
/// When `places` is shorter than `cases`.
pub fn keep_together(cases: &mut [Case], places: &[usize]) -> Vec<usize> {
    let mut sides: BTreeMap<usize, Split> = BTreeMap::new();
    for (case, place) in cases.iter().zip(places) {
        let side = sides.entry(*place).or_insert(case.split);
        *side = case.split.max(*side);
    }
    let moved: Vec<usize> = (0..cases.len()).filter(|case| cases[*case].split != sides[&places[*case]]).collect();
    for case in &moved {
        cases[*case].split = sides[&places[*case]];
    }
    moved
}

/// Disjoint sets (union-find). Each set is represented by its smallest member.
struct Sets(Vec<usize>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn find(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        self.0[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::synth::{SynthOptions, case};

    fn groups(sizes: &[usize]) -> Vec<Group> {
        let group = |(index, cases): (usize, &usize)| Group {
            id: format!("g{index}"),
            stratum: format!("s{}", index % 2),
            cases: *cases,
        };
        sizes.iter().enumerate().map(group).collect()
    }

    proptest! {
        #[test]
        fn shares_are_met_within_the_largest_group_of_each_stratum(
            sizes in prop::collection::vec(1usize..12, 0..60), seed: u64, cut in (0.0f64..1.0, 0.0f64..1.0),
        ) {
            let (low, high) = (cut.0.min(cut.1), cut.0.max(cut.1));
            let shares = [low, high - low, 1.0 - high];
            prop_assume!(are_shares(shares));
            let mut groups = groups(&sizes);
            let sides = assign(seed, &groups, shares);
            prop_assert_eq!(sides.len(), groups.len());
            for stratum in ["s0", "s1"] {
                let of: Vec<&Group> = groups.iter().filter(|group| group.stratum == stratum).collect();
                let total: usize = of.iter().map(|group| group.cases).sum();
                let largest = of.iter().map(|group| group.cases).max().unwrap_or(0);
                for (side, share) in SIDES.iter().zip(shares) {
                    let given: usize = of.iter().filter(|group| sides[&group.id] == *side).map(|group| group.cases).sum();
                    prop_assert!((given as f64) < share * total as f64 + largest as f64 + 1e-6);
                }
            }
            groups.reverse();
            prop_assert_eq!(assign(seed, &groups, shares), sides);
        }

        #[test]
        fn joined_indices_are_the_connected_ones(links in prop::collection::vec((0usize..9, 0usize..9), 0..12)) {
            let joined = join(9, links.iter().copied());
            let mut reach = [[false; 9]; 9];
            (0..9).for_each(|i| reach[i][i] = true);
            links.iter().for_each(|(a, b)| { reach[*a][*b] = true; reach[*b][*a] = true; });
            for k in 0..9 { for i in 0..9 { for j in 0..9 { reach[i][j] |= reach[i][k] && reach[k][j]; } } }
            for i in 0..9 {
                prop_assert_eq!(joined[i], (0..9).find(|j| reach[i][*j]).unwrap_or(i));
            }
        }
    }

    #[test]
    fn groups_images_and_near_duplicates_link_cases() {
        let drawn: Vec<_> = (0..6).map(|index| case(index, &SynthOptions::default())).collect();
        let mut cases: Vec<Case> = drawn.iter().map(|drawn| drawn.case.clone()).collect();
        let mut prints: Vec<Fingerprint> = drawn.iter().map(|drawn| Fingerprint::of(&drawn.image)).collect();
        let all = |cases: &[Case], prints: &[Fingerprint]| linked(cases, |case, _| Some(&prints[case]));
        assert_eq!(all(&cases, &prints), [0, 1, 2, 3, 4, 5]);
        cases[4].group_id = cases[1].group_id.clone();
        cases[5].images[0].sha256 = cases[4].images[0].sha256.clone();
        assert_eq!(all(&cases, &prints), [0, 1, 2, 3, 1, 1], "case 4 links the others");
        prints[3] = Fingerprint::of(&image::imageops::flip_horizontal(&drawn[0].image));
        assert_eq!(all(&cases, &prints), [0, 1, 2, 0, 1, 1]);
        assert_eq!(linked(&cases, |_, _| None), [0, 1, 2, 3, 1, 1], "images that cannot be read");
    }

    #[test]
    fn seeds_differ_and_small_sets_reach_every_side() {
        let groups = groups(&[1; 40]);
        let shares = [0.7, 0.15, 0.15];
        let sides = assign(1, &groups, shares);
        assert_ne!(sides, assign(2, &groups, shares));
        assert_eq!(SIDES.map(|side| sides.values().filter(|given| **given == side).count()), [28, 6, 6]);
    }

    #[test]
    fn a_group_of_two_strata_is_one_group() {
        let group = |id: &str, stratum: &str, cases| Group { id: id.into(), stratum: stratum.into(), cases };
        let mut split = vec![group("p", "a", 2), group("p", "b", 5), group("q", "a", 3), group("r", "b", 4)];
        let whole = [group("p", "b", 7), group("q", "a", 3), group("r", "b", 4)];
        for seed in 0..20 {
            let sides = assign(seed, &whole, [0.5, 0.25, 0.25]);
            assert_eq!(assign(seed, &split, [0.5, 0.25, 0.25]), sides);
            split.reverse();
        }
    }

    #[test]
    fn shares_are_three_parts_of_one() {
        assert!(are_shares([0.8, 0.1, 0.1]) && are_shares([1.0, 0.0, 0.0]));
        assert!(!are_shares([0.8, 0.1, 0.2]) && !are_shares([1.5, -0.5, 0.0]) && !are_shares([f64::NAN, 0.5, 0.5]));
    }
}
