//! Drawing without repetition until all have been drawn.

use std::ops::Range;

use rand::seq::SliceRandom;

/// What stands in these places of an endless row: the pool, shuffled anew for each lap.
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
