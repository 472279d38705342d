//! Division of a plan's scores into batches of products of bounded size.

use std::ops::Range;

use super::parts::{Limit, Part, parts};
use crate::AttentionPlan;

/// Division of a plan's attention: for each level of ancestry the products whose results are joined row by row.
#[derive(Clone, Debug)]
pub struct Division {
    /// Levels with products, from the roots downwards. A query row is in at most one piece of a level.
    pub levels: Vec<Level>,
    /// Places of the keys in the batches of descendants' rows (first) and of own rows (second).
    pub key_places: [KeyPlaces; 2],
}

/// Places of a plan's keys among the keys of batches, counted over the levels in order.
#[derive(Clone, Debug, Default)]
pub struct KeyPlaces {
    /// Place of each key; None for a key in no batch.
    pub places: Vec<Option<usize>>,
    /// Number of the batches' keys, padding included.
    pub count: usize,
}

/// Products of one level of ancestry.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// Batches in order.
    pub batches: Vec<Batch>,
    /// Place of each query row of the plan among the rows of the level's pieces in order; None for a row in no piece.
    pub places: Vec<Option<usize>>,
}

/// Parts whose keys are laid side by side, padded to equal numbers of keys and queries.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whether the queries are the own rows of the segments; otherwise they are rows of their descendants.
    pub own: bool,
    /// Number of parts.
    pub parts: usize,
    /// Row of `k` of each key, `[parts * keys]`; None for padding.
    pub keys: Vec<Option<usize>>,
    /// Products over the batch's keys. A batch of several pieces has one part.
    pub pieces: Vec<Piece>,
}

/// One product of queries and keys.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Row of `q` of each query, `[parts * queries]`; None for padding.
    pub queries: Vec<Option<usize>>,
    /// Range of each part's keys that takes part.
    pub keys: Range<usize>,
    /// Keys that each query attends to, `[parts * queries]`, counted from the start of `keys`; empty for padding.
    pub visible: Vec<Range<usize>>,
}

impl Level {
    /// Returns the pieces of all batches in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.batches.iter().flat_map(|batch| &batch.pieces)
    }
}

impl Piece {
    /// Returns whether some query, padding included, does not attend to all keys.
    pub fn hides(&self) -> bool {
        self.visible.iter().any(|keys| *keys != (0..self.keys.len()))
    }

    /// Returns the number of scores for one head, padding included.
    pub fn scores(&self) -> usize {
        self.queries.len() * self.keys.len()
    }
}

/// Divides the attention of a plan. The number of scores of a piece is at most `limit.scores`, except in a piece of one
/// query row. Padding makes at most half as many scores again as the parts have, except in batches of at most
/// `limit.small` scores.
pub fn divide(plan: &AttentionPlan, limit: Limit) -> Division {
    let mut parts = parts(plan, limit);
    // Parts of similar size follow each other. Equal parts, and a root and its descendants, stay in the order of their
    // rows, so that they need no gather.
    parts.sort_by_key(|part| {
        let rows: usize = part.cuts.iter().map(|cut| cut.rows.len()).sum();
        (part.level, !part.own, std::cmp::Reverse((part.keys.len(), rows)))
    });
    let mut levels: Vec<Level> = Vec::new();
    let mut last_level = None;
    let mut key_places = [(); 2].map(|()| KeyPlaces { places: vec![None; plan.keys()], count: 0 });
    for group in groups(&parts, limit) {
        if last_level != Some(group[0].level) {
            last_level = Some(group[0].level);
            levels.push(Level::default());
        }
        let batch = batch(group);
        let KeyPlaces { places, count } = &mut key_places[usize::from(batch.own)];
        place(&batch.keys, places, count);
        if let Some(level) = levels.last_mut() {
            level.batches.push(batch);
        }
    }
    for level in &mut levels {
        let (mut places, mut count) = (vec![None; plan.queries()], 0);
        for piece in level.pieces() {
            place(&piece.queries, &mut places, &mut count);
        }
        level.places = places;
    }
    Division { levels, key_places }
}

/// Enters the places of `rows`, which follow `count` earlier ones, and adds their number to `count`.
fn place(rows: &[Option<usize>], places: &mut [Option<usize>], count: &mut usize) {
    for (place, row) in rows.iter().enumerate() {
        if let Some(row) = row {
            places[*row] = Some(*count + place);
        }
    }
    *count += rows.len();
}

/// Divides sorted parts into runs that make one batch each. A part of several cuts is alone.
fn groups(parts: &[Part], limit: Limit) -> Vec<&[Part]> {
    let mut groups = Vec::new();
    let (mut start, mut queries, mut scores) = (0, 0, 0);
    for (index, part) in parts.iter().enumerate() {
        let [cut] = part.cuts.as_slice() else {
            groups.extend((start < index).then(|| &parts[start..index]));
            groups.push(&parts[index..=index]);
            start = index + 1;
            continue;
        };
        if start < index {
            let first = &parts[start];
            let most = cut.rows.len().max(queries);
            let padded = (index + 1 - start) * most * first.keys.len();
            let useful = (scores + cut.scores()) / 2 * 3;
            let alike = first.level == part.level && first.own == part.own;
            if alike && padded <= limit.scores && padded <= useful.max(limit.small) {
                (queries, scores) = (most, scores + cut.scores());
                continue;
            }
            groups.push(&parts[start..index]);
        }
        (start, queries, scores) = (index, cut.rows.len(), cut.scores());
    }
    groups.extend((start < parts.len()).then(|| &parts[start..]));
    groups
}

/// Lays out parts of one level and kind, each of one cut, or one part of several cuts.
fn batch(group: &[Part]) -> Batch {
    let most_keys = group.iter().map(|part| part.keys.len()).max().unwrap_or(0);
    let keys = group.iter().flat_map(|part| padded(part.keys.clone().map(Some), most_keys, None)).collect();
    let cuts = group.iter().map(|part| part.cuts.len()).max().unwrap_or(0);
    let pieces = (0..cuts).map(|cut| piece(group, cut, if cuts == 1 { Some(most_keys) } else { None })).collect();
    Batch { own: group.iter().all(|part| part.own), parts: group.len(), keys, pieces }
}

/// Makes the product of cut number `cut` of all parts. `most_keys` is the number of keys of a part with padding; None
/// means the keys of the one part's cut.
fn piece(group: &[Part], cut: usize, most_keys: Option<usize>) -> Piece {
    let cuts: Vec<_> = group.iter().map(|part| (part.keys.start, &part.cuts[cut])).collect();
    let most = cuts.iter().map(|(_, cut)| cut.rows.len()).max().unwrap_or(0);
    let queries = cuts.iter().flat_map(|(_, cut)| padded(cut.rows.iter().map(|row| Some(row.row)), most, None));
    let visible = cuts.iter().flat_map(|(_, cut)| {
        let ranges = cut.rows.iter().map(|row| row.keys.start - cut.keys.start..row.keys.end - cut.keys.start);
        padded(ranges, most, 0..0)
    });
    let (first, cut) = cuts[0];
    let keys = most_keys.map_or(cut.keys.start - first..cut.keys.end - first, |most_keys| 0..most_keys);
    Piece { queries: queries.collect(), keys, visible: visible.collect() }
}

/// Returns `length` values: `values`, and copies of `padding` after them.
fn padded<T: Clone>(values: impl Iterator<Item = T>, length: usize, padding: T) -> impl Iterator<Item = T> {
    values.chain(std::iter::repeat(padding)).take(length)
}
