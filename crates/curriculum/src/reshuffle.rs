//! Draws without repetition until all values have been drawn, then starts again.

use std::ops::Range;

use rand::seq::SliceRandom;

/// Returns the values at `places`, counted from 0, of an endless sequence that repeats the pool, reshuffled for each
/// repetition. `key` gives the random generator of a repetition, counted from 0. Empty where the pool is empty.
pub(super) fn drawn<T: Copy, R: rand::Rng>(pool: &[T], places: Range<usize>, key: impl Fn(usize) -> R) -> Vec<T> {
    if pool.is_empty() {
        return Vec::new();
    }
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

#[cfg(test)]
mod tests {
    use stepwise_data::random::stream;

    use super::*;

    fn draw(pool: &[u8], places: Range<usize>) -> Vec<u8> {
        drawn(pool, places, |lap| stream(1, &[&lap.to_string()]))
    }

    #[test]
    fn each_repetition_draws_every_value_once() {
        let taken = draw(&[1, 2, 3], 0..7);
        for lap in taken[..6].chunks(3) {
            let mut lap = lap.to_vec();
            lap.sort_unstable();
            assert_eq!(lap, [1, 2, 3], "{taken:?}");
        }
        assert_eq!(draw(&[1, 2, 3], 4..6), taken[4..6], "a place has one value, wherever the range begins");
    }

    #[test]
    fn an_empty_pool_gives_nothing() {
        assert!(draw(&[], 0..4).is_empty());
    }
}
