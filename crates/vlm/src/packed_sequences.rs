//! Packed sequences: the model's input, end to end without padding, with shared prefixes computed once.

use std::collections::HashMap;
use std::ops::Range;

use stepwise_ops::Segment;

/// Shortest shared prefix, in tokens, that is computed once. A shorter one is computed for each sequence, because every
/// shared prefix costs an additional segment of attention.
const WORTH_SHARING: usize = 4;

/// Sequence of tokens before packing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence {
    /// Token ids, including image placeholders.
    pub ids: Vec<u32>,
    /// Runs of image placeholders; empty without images.
    pub tiles: Vec<TileSpan>,
    /// Tokens to predict, with their weights. Without targets, all tokens get a row and none is predicted.
    pub targets: Vec<Target>,
}

/// Run of image placeholders in a sequence that are replaced by neighbouring features of one tile: in most families by all
/// of them. Where runs are parts of tiles, sequences with a feature of a run in common must have the whole run in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileSpan {
    /// Index of the first placeholder in the sequence, from 0.
    pub start: usize,
    /// Number of placeholders, equal to the number of features.
    pub len: usize,
    /// Row of the run's first feature, from 0, in the features that the model receives.
    pub first: usize,
    /// Numbers of rows and columns of the features, if they take positions by row and column (multimodal rotary
    /// positions, Wang et al. 2024, Qwen2-VL); None if they take positions like text.
    pub axes: Option<[usize; 2]>,
}

/// Token that is predicted from the tokens before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Index in the sequence, from 0; at least 1, because the first token has no token before it.
    pub index: usize,
    /// Factor of the token's negative log-likelihood in the loss.
    pub weight: f32,
}

/// Packed sequences without padding. All tokens that a prediction depends on have a row; shared prefixes have one
/// row per token.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedSequences {
    /// Token id of each row.
    pub ids: Vec<u32>,
    /// Position of each row in its sequence on the axes time, row and column, from 0. Text has equal numbers.
    pub positions: Vec<[u32; 3]>,
    /// Image feature of each row, as its row in the features that the model receives; None for text.
    pub features: Vec<Option<usize>>,
    /// Rows of each run of image features, in ascending order without overlap.
    pub tiles: Vec<Range<usize>>,
    /// Segments of the attention plan in order of the rows; they define which rows attend to which.
    pub segments: Vec<Segment>,
    /// Predictions, in the order of the sequences and of each sequence's targets.
    pub predictions: Vec<Prediction>,
    /// Number of tokens of each sequence, including tokens without a row (those from the last target on).
    pub lengths: Vec<usize>,
}

/// Prediction of one token from one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Row, from 0, whose output predicts the token.
    pub row: usize,
    /// Id of the predicted token.
    pub token: u32,
    /// Factor of the token's negative log-likelihood in the loss.
    pub weight: f32,
    /// Index of the sequence that the prediction belongs to, from 0.
    pub sequence: usize,
}

/// Identity of a token for prefix sharing: the id, the image feature, and the position, which follows from the tokens
/// before it.
type Key = (u32, Option<usize>, [u32; 3]);

impl PackedSequences {
    /// Packs `sequences`. With `share`, a prefix of at least four tokens that several sequences share gets one set of
    /// rows, from which they branch off. Without it, every sequence has rows of its own.
    ///
    /// # Panics
    /// When a sequence is empty, a tile span or target lies outside its sequence, a target is the first token, or the last
    /// target lies inside a tile span.
    #[must_use]
    pub fn pack(sequences: &[Sequence], share: bool) -> Self {
        let keys: Vec<Vec<Key>> = sequences.iter().map(needed_keys).collect();
        let mut packer = Packer { keys: &keys, rows: vec![Vec::new(); sequences.len()], layout: Self::empty() };
        let all: Vec<usize> = (0..sequences.len()).collect();
        if share {
            packer.place(&all, 0, None);
        } else {
            all.iter().for_each(|one| packer.place(&[*one], 0, None));
        }
        let Packer { rows, mut layout, .. } = packer;
        for (index, (sequence, rows)) in sequences.iter().zip(&rows).enumerate() {
            layout.lengths.push(sequence.ids.len());
            layout.tiles.extend(sequence.tiles.iter().filter_map(|span| rows_of(span, rows)));
            layout.predictions.extend(sequence.targets.iter().map(|target| Prediction {
                row: rows[target.index - 1],
                token: sequence.ids[target.index],
                weight: target.weight,
                sequence: index,
            }));
        }
        // Sequences with a shared prefix have the rows of its tiles in common.
        layout.tiles.sort_unstable_by_key(|tile| tile.start);
        layout.tiles.dedup();
        layout
    }

    /// Returns the number of rows to compute.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    fn empty() -> Self {
        Self {
            ids: Vec::new(),
            positions: Vec::new(),
            features: Vec::new(),
            tiles: Vec::new(),
            segments: Vec::new(),
            predictions: Vec::new(),
            lengths: Vec::new(),
        }
    }
}

/// Keys of the tokens that predictions depend on: those before the last target. All tokens of a
/// sequence without targets.
fn needed_keys(sequence: &Sequence) -> Vec<Key> {
    assert!(!sequence.ids.is_empty(), "a sequence needs at least one token");
    let positions = positions(sequence);
    let mut keys: Vec<Key> = sequence.ids.iter().zip(positions).map(|(id, position)| (*id, None, position)).collect();
    for span in &sequence.tiles {
        for feature in 0..span.len {
            keys[span.start + feature].1 = Some(span.first + feature);
        }
    }
    keys.truncate(sequence.targets.iter().map(|target| target.index).max().unwrap_or(keys.len()));
    keys
}

/// Positions of the tokens. Text goes on by one for each token. An image with rows and columns that begins at position p
/// takes p on the first axis and p plus row and column on the others; the text after it goes on at p plus the larger of
/// both numbers.
fn positions(sequence: &Sequence) -> Vec<[u32; 3]> {
    let mut positions = Vec::with_capacity(sequence.ids.len());
    let mut next = 0;
    for span in sequence.tiles.iter().filter(|span| span.axes.is_some()) {
        let Some([rows, columns]) = span.axes else { continue };
        assert_eq!(rows * columns, span.len, "every feature has a row and a column");
        let text = (span.start - positions.len()) as u32;
        positions.extend((next..next + text).map(|position| [position; 3]));
        next += text;
        let place = |feature: usize| [next, next + (feature / columns) as u32, next + (feature % columns) as u32];
        positions.extend((0..span.len).map(place));
        next += rows.max(columns) as u32;
    }
    let text = (sequence.ids.len() - positions.len()) as u32;
    positions.extend((next..next + text).map(|position| [position; 3]));
    positions
}

/// Returns the rows of a run of a sequence, whose tokens have the rows `rows`. None if no prediction depends on the run.
fn rows_of(span: &TileSpan, rows: &[usize]) -> Option<Range<usize>> {
    let own = rows.get(span.start..).filter(|own| !own.is_empty() && span.len > 0)?;
    assert!(own.len() >= span.len, "no target lies inside an image");
    let (first, last) = (own[0], own[span.len - 1]);
    // Sequences share a run as a whole, because they have all of its features in common or none.
    assert_eq!(last + 1 - first, span.len, "a shared prefix does not end inside an image");
    Some(first..last + 1)
}

struct Packer<'a> {
    keys: &'a [Vec<Key>],
    /// Row of every token of every sequence.
    rows: Vec<Vec<usize>>,
    layout: PackedSequences,
}

impl Packer<'_> {
    /// Lays out the tokens after the first `depth` of `members`, sequences that are equal in their
    /// first `depth` tokens.
    fn place(&mut self, members: &[usize], depth: usize, parent: Option<usize>) {
        for group in self.groups(members, depth) {
            let first = &self.keys[group[0]];
            let common = group.iter().map(|member| common(&first[depth..], &self.keys[*member][depth..])).min();
            let end = depth + common.unwrap_or(0);
            if end == depth {
                continue; // The sequence ends where its parent segment ends.
            }
            let start = self.layout.ids.len();
            for (id, feature, position) in &first[depth..end] {
                self.layout.ids.push(*id);
                self.layout.positions.push(*position);
                self.layout.features.push(*feature);
            }
            for member in &group {
                self.rows[*member].extend(start..start + end - depth);
            }
            let segment = self.layout.segments.len();
            self.layout.segments.push(Segment { len: end - depth, parent, silent: false });
            if group.len() > 1 {
                self.place(&group, end, Some(segment));
            }
        }
    }

    /// Groups members that are equal in the next [`WORTH_SHARING`] tokens, in the order of first appearance.
    fn groups(&self, members: &[usize], depth: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<Vec<usize>> = Vec::new();
        let mut known: HashMap<&[Key], usize> = HashMap::new();
        for member in members {
            let keys = &self.keys[*member];
            let stretch = &keys[depth..(depth + WORTH_SHARING).min(keys.len())];
            let group = *known.entry(stretch).or_insert_with(|| {
                order.push(Vec::new());
                order.len() - 1
            });
            order[group].push(*member);
        }
        order
    }
}

fn common(a: &[Key], b: &[Key]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(ids: impl IntoIterator<Item = u32>, targets: &[usize]) -> Sequence {
        let targets = targets.iter().map(|index| Target { index: *index, weight: 1.0 }).collect();
        Sequence { ids: ids.into_iter().collect(), tiles: Vec::new(), targets }
    }

    #[test]
    fn a_shared_prefix_is_laid_out_once() {
        let prompt = 0..20;
        let sequences = [
            sequence(prompt.clone().chain([50, 51]), &[20, 21]),
            sequence(prompt.chain([60]), &[20]),
            sequence(90..95, &[4]),
        ];
        let layout = PackedSequences::pack(&sequences, true);
        let lengths: Vec<_> = layout.segments.iter().map(|segment| (segment.len, segment.parent)).collect();
        assert_eq!(lengths, [(20, None), (1, Some(0)), (4, None)]);
        let predicted: Vec<_> = layout.predictions.iter().map(|p| (p.row, p.token, p.sequence)).collect();
        assert_eq!(predicted, [(19, 50, 0), (20, 51, 0), (19, 60, 1), (24, 94, 2)]);
        assert_eq!(layout.positions[20], [20; 3]);
        assert_eq!(layout.lengths, [22, 21, 5]);
    }

    #[test]
    fn short_prefixes_and_other_images_are_not_shared() {
        let short = [sequence(0..10, &[]), sequence((0..3).chain(70..77), &[])];
        assert_eq!(PackedSequences::pack(&short, true).rows(), 20);
        let mut pictures = [sequence(0..20, &[]), sequence(0..20, &[])];
        for (tile, sequence) in pictures.iter_mut().enumerate() {
            sequence.tiles.push(TileSpan { start: 2, len: 4, first: 4 * tile, axes: None });
        }
        assert_eq!(PackedSequences::pack(&pictures, true).rows(), 40);
        pictures[1].tiles[0].first = 0;
        assert_eq!(PackedSequences::pack(&pictures, true).rows(), 20);
    }

    #[test]
    fn rows_of_tiles_stand_once() {
        let with_tile = |ids: std::ops::Range<u32>, target: usize| {
            let tiles = vec![TileSpan { start: 2, len: 6, first: 0, axes: None }];
            Sequence { tiles, ..sequence(ids, &[target]) }
        };
        let shared = [with_tile(0..20, 12), with_tile(0..20, 19)];
        assert_eq!(PackedSequences::pack(&shared, true).tiles, std::slice::from_ref(&(2..8)));
        assert_eq!(PackedSequences::pack(&shared, false).tiles, [2..8, 14..20]);
        assert!(PackedSequences::pack(&[with_tile(0..20, 2)], true).tiles.is_empty(), "nothing depends on the tile");
    }

    #[test]
    #[should_panic(expected = "no target lies inside an image")]
    fn a_target_inside_an_image_is_refused() {
        let tiles = vec![TileSpan { start: 2, len: 6, first: 0, axes: None }];
        let _ = PackedSequences::pack(&[Sequence { tiles, ..sequence(0..20, &[5]) }], true);
    }

    #[test]
    fn images_with_axes_take_positions_by_row_and_column() {
        let mut one = sequence(0..10, &[]);
        one.tiles.push(TileSpan { start: 2, len: 6, first: 0, axes: Some([2, 3]) });
        let layout = PackedSequences::pack(&[one], true);
        let image = [[2, 2, 2], [2, 2, 3], [2, 2, 4], [2, 3, 2], [2, 3, 3], [2, 3, 4]];
        let expected = [&[[0; 3], [1; 3]], &image[..], &[[5; 3], [6; 3]]].concat();
        assert_eq!(layout.positions, expected);
    }

    #[test]
    fn a_sequence_may_be_the_prefix_of_another() {
        let sequences = [sequence(0..20, &[]), sequence(0..24, &[23])];
        let layout = PackedSequences::pack(&sequences, true);
        assert_eq!((layout.rows(), layout.predictions[0].row), (23, 22));
        assert_eq!(PackedSequences::pack(&sequences, false).rows(), 43);
    }
}
