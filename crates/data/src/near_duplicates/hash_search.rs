//! Search of similar hashes.

use super::band::{BANDS, BITS, Band};
use crate::parallel;

/// Number of hashes that a thread compares at a time.
const ONES_AT_ONCE: usize = 64;

/// Finds the pairs of a hash of `ones` and a later hash of `others`, one with a larger index, that differ in at most `bits` bits,
/// and applies `judge`, on all CPU threads, to the index of each hash of `ones` and the indices into `others` of the hashes
/// that are that near. Only pairs of indices for which `wanted` is true are compared. Returns all results in the order of
/// `ones`.
///
/// Many pairs are near among images of one view, so they are never held all at once.
///
/// # Panics
/// When `wanted` or `judge` panics.
pub(super) fn judge_near<R: Send>(
    ones: &[u64],
    others: &[u64],
    bits: u32,
    wanted: impl Fn(usize, usize) -> bool + Sync,
    judge: impl Fn(usize, &[usize]) -> Vec<R> + Sync,
) -> Vec<R> {
    let bands: Vec<Band> = (0..BANDS).map(|band| Band::of(others.iter().copied(), band)).collect();
    // Hashes that differ in at most n bits differ in at most n / 4 bits in one of the four bands. So in each band only hashes
    // with few changed bits are looked up.
    let changed = bits / BANDS;
    let changes: Vec<u64> = (0..1 << BITS).filter(|change: &u64| change.count_ones() <= changed).collect();
    let differs_little = |difference: u64, band: u32| {
        let part = difference >> (BITS * band) & ((1 << BITS) - 1);
        part.count_ones() <= changed
    };
    let numbered: Vec<(usize, u64)> = ones.iter().copied().enumerate().collect();
    let parts: Vec<&[(usize, u64)]> = numbered.chunks(ONES_AT_ONCE).collect();
    let found = parallel::map(&parts, |part| {
        let mut results = Vec::new();
        let mut near: Vec<usize> = Vec::new();
        for (one, hash) in *part {
            near.clear();
            for (band, sorted) in (0..).zip(&bands) {
                for change in &changes {
                    let bucket = sorted.bucket(hash ^ change << (BITS * band)).from(*one as u32 + 1);
                    let new = bucket.near(*hash, bits).filter(|(other, number)| {
                        // A pair that differs little in several bands is found in the first of them.
                        (0..band).all(|earlier| !differs_little(hash ^ other, earlier))
                            && wanted(*one, *number as usize)
                    });
                    near.extend(new.map(|(_, number)| number as usize));
                }
            }
            if !near.is_empty() {
                results.extend(judge(*one, &near));
            }
        }
        results
    });
    found.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dhash::hamming;

    proptest! {
        #[test]
        fn banded_search_finds_what_comparing_all_finds(
            seeds in prop::collection::vec((any::<u64>(), 0u32..64, 0u32..64, 0u32..64), 0..12), bits in 0u32..10,
            turn in 0u32..64,
        ) {
            let mut others = Vec::new();
            for (hash, a, b, c) in seeds {
                others.extend([hash, hash ^ 1 << a, hash ^ 1 << a ^ 1 << b ^ 1 << c, hash, hash.rotate_left(turn)]);
            }
            let ones: Vec<u64> = others.iter().map(|hash| hash.rotate_left(turn)).collect();
            let all = (0..ones.len()).flat_map(|i| (i + 1..ones.len()).map(move |j| (i, j)));
            let is_wanted = |one: usize, other: usize| !(one + other).is_multiple_of(7);
            let near = |(i, j): &(usize, usize)| hamming(ones[*i], others[*j]) <= bits && is_wanted(*i, *j);
            let expected: Vec<(usize, usize)> = all.filter(near).collect();
            let pairs = |one: usize, near: &[usize]| near.iter().map(|other| (one, *other)).collect();
            let mut found = judge_near(&ones, &others, bits, is_wanted, pairs);
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
