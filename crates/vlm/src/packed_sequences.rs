//! Packed sequences: the model's input, end to end without padding, with shared prefixes computed once.

use std::collections::HashMap;

use stepwise_ops::Segment;

/// Shortest shared prefix, in tokens, that is computed once. A shorter one is computed for each sequence, because every
/// shared prefix costs an additional segment of attention.
const WORTH_SHARING: usize = 4;

/// Sequence of tokens before packing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence {
    /// Token ids, including image placeholders.
    pub ids: Vec<u32>,
    /// Runs of image placeholders, one per tile; empty without images.
    pub tiles: Vec<TileSpan>,
    /// Tokens to predict, with their weights. Without targets, all tokens get a row and none is predicted.
    pub targets: Vec<Target>,
}

/// Run of image placeholders in a sequence that are replaced by all features of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileSpan {
    /// Index of the first placeholder in the sequence, from 0.
    pub start: usize,
    /// Number of placeholders, equal to the number of features per tile.
    pub len: usize,
    /// Number of the tile, from 0, in the features that the model receives.
    pub tile: usize,
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
    /// Position of each row in its sequence, from 0.
    pub positions: Vec<u32>,
    /// Image feature of each row, as `(tile, feature)`, both counted from 0; None for text.
    pub features: Vec<Option<(usize, usize)>>,
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

/// Identity of a token for prefix sharing: the id and, for image features, tile and feature.
type Key = (u32, Option<(usize, usize)>);

impl PackedSequences {
    /// Packs `sequences`. With `share`, a prefix of at least four tokens that several sequences share gets one set of
    /// rows, from which they branch off. Without it, every sequence has rows of its own.
    ///
    /// # Panics
    /// When a sequence is empty, a tile span or target lies outside its sequence, or a target is the first token.
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
            layout.predictions.extend(sequence.targets.iter().map(|target| Prediction {
                row: rows[target.index - 1],
                token: sequence.ids[target.index],
                weight: target.weight,
                sequence: index,
            }));
        }
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
    let mut keys: Vec<Key> = sequence.ids.iter().map(|id| (*id, None)).collect();
    for span in &sequence.tiles {
        for feature in 0..span.len {
            keys[span.start + feature].1 = Some((span.tile, feature));
        }
    }
    keys.truncate(sequence.targets.iter().map(|target| target.index).max().unwrap_or(keys.len()));
    keys
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
            for (position, (id, feature)) in first.iter().enumerate().take(end).skip(depth) {
                self.layout.ids.push(*id);
                self.layout.positions.push(position as u32);
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
        assert_eq!(layout.positions[20], 20);
        assert_eq!(layout.lengths, [22, 21, 5]);
    }

    #[test]
    fn short_prefixes_and_other_images_are_not_shared() {
        let short = [sequence(0..10, &[]), sequence((0..3).chain(70..77), &[])];
        assert_eq!(PackedSequences::pack(&short, true).rows(), 20);
        let mut pictures = [sequence(0..20, &[]), sequence(0..20, &[])];
        for (tile, sequence) in pictures.iter_mut().enumerate() {
            sequence.tiles.push(TileSpan { start: 2, len: 4, tile });
        }
        assert_eq!(PackedSequences::pack(&pictures, true).rows(), 40);
        pictures[1].tiles[0].tile = 0;
        assert_eq!(PackedSequences::pack(&pictures, true).rows(), 20);
    }

    #[test]
    fn a_sequence_may_be_the_prefix_of_another() {
        let sequences = [sequence(0..20, &[]), sequence(0..24, &[23])];
        let layout = PackedSequences::pack(&sequences, true);
        assert_eq!((layout.rows(), layout.predictions[0].row), (23, 22));
        assert_eq!(PackedSequences::pack(&sequences, false).rows(), 43);
    }
}
