//! Which side of the split each group of cases goes to, and which groups must stay together.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::case::Split;

/// The sides in the order of [`Shares`].
pub const SIDES: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// Shares of train, validation and test; they sum to 1.
pub type Shares = [f64; 3];

/// Cases that stay on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name; a key of the assignment.
    pub id: String,
    /// Each stratum (a diagnosis, say) is divided by the shares for itself.
    pub stratum: String,
    /// Number of cases.
    pub cases: usize,
}

/// Whether shares are shares: three numbers from 0 to 1 that sum to 1.
#[must_use]
pub fn are_shares(shares: Shares) -> bool {
    shares.iter().all(|share| (0.0..=1.0).contains(share)) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6
}

/// Gives each group a side. Equal arguments give equal sides, in whatever order the groups come.
///
/// Within a stratum the groups are put in the order of a hash of (seed, id), and each goes to the side that is then
/// furthest behind its share of the stratum's cases. So the shares are met as closely as whole groups allow, which
/// drawing each group by itself would not do in sets of a few dozen patients; in return, adding groups can move others.
#[must_use]
pub fn assign(seed: u64, groups: &[Group], shares: Shares) -> BTreeMap<String, Split> {
    let mut strata: BTreeMap<&str, BTreeMap<([u8; 32], &str), usize>> = BTreeMap::new();
    for group in groups {
        let cases =
            strata.entry(&group.stratum).or_default().entry((order_key(seed, &group.id), &group.id)).or_default();
        *cases += group.cases;
    }
    let mut sides = BTreeMap::new();
    for groups in strata.values() {
        let total: usize = groups.values().sum();
        let mut given = [0usize; 3];
        for ((_, id), cases) in groups {
            let lack = |side: usize| shares[side] * total as f64 - given[side] as f64;
            // Of equal lacks the first side's counts; a side without a share gets nothing.
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

/// Joins what is linked, directly or by way of others: for each of `count` places the smallest place it is joined with.
///
/// # Panics
/// When a link names a place beyond them.
#[must_use]
pub fn join(count: usize, links: impl IntoIterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut sets = Sets::new(count);
    for (one, other) in links {
        sets.join(one, other);
    }
    (0..count).map(|place| sets.find(place)).collect()
}

/// Disjoint sets; the smallest member stands for each.
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
        fn joined_places_are_the_connected_ones(links in prop::collection::vec((0usize..9, 0usize..9), 0..12)) {
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
    fn seeds_differ_and_small_sets_reach_every_side() {
        let groups = groups(&[1; 40]);
        let shares = [0.7, 0.15, 0.15];
        let sides = assign(1, &groups, shares);
        assert_ne!(sides, assign(2, &groups, shares));
        assert_eq!(SIDES.map(|side| sides.values().filter(|given| **given == side).count()), [28, 6, 6]);
    }

    #[test]
    fn shares_are_three_parts_of_one() {
        assert!(are_shares([0.8, 0.1, 0.1]) && are_shares([1.0, 0.0, 0.0]));
        assert!(!are_shares([0.8, 0.1, 0.2]) && !are_shares([1.5, -0.5, 0.0]) && !are_shares([f64::NAN, 0.5, 0.5]));
    }
}
