//! Draws without repetition until all values have been drawn, then starts again.

use std::ops::Range;

use rand::seq::SliceRandom;

/// Returns the values at `places`, counted from 0, of an endless sequence that repeats the pool, reshuffled for each
/// repetition. `key` gives the random generator of a repetition, counted from 0.
///
/// # Panics
/// When the pool is empty and `places` is not.
pub(super) fn drawn<T: Copy, R: rand::Rng>(pool: &[T], places: Range<usize>, key: impl Fn(usize) -> R) -> Vec<T> {
    let mut taken = Vec::with_capacity(places.len());
    let mut shuffled: Option<(usize, Vec<T>)> = None;
    for place in places {
        let lap = place / pool.len();
        if shuffled.as_ref().is_none_or(|(of, _)| *of != lap) {
            let mut row = pool.to_vec();
            row.shuffle(&mut key(lap));
            shuffled = Some((lap, row));
        }
        if let Some((_, row)) = &shuffled {
            taken.push(row[place % pool.len()]);
        }
    }
    taken
}
