//! Batches: conversations with their images, packed together with the image tiles that they contain.

use std::collections::HashMap;
use std::sync::Arc;

use stepwise_data::conversation::Conversation;

use crate::feature_cache::TileDigest;
use crate::images::grid::ImageGrid;
use crate::packed_sequences::{PackedSequences, Sequence, Target, TileSpan};
use crate::processor::{Encoded, Prepared, Processor, ProcessorError};

/// Conversation with its preprocessed images, ready to be encoded as tokens.
#[derive(Clone, Debug)]
pub struct EncodableExample {
    /// Messages of the conversation, with the turns that are supervised.
    pub conversation: Conversation,
    /// Images in order of appearance in the conversation.
    pub images: Vec<Arc<Prepared>>,
}

impl EncodableExample {
    /// Returns the tile grid of each image, in order of appearance.
    #[must_use]
    pub fn grids(&self) -> Vec<ImageGrid> {
        self.images.iter().map(|image| image.grid).collect()
    }
}

/// Packed batch with its image tiles.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Packed sequences, one per example and in the order of the examples.
    pub layout: PackedSequences,
    /// Tiles of the batch's images.
    pub(crate) tiles: TileSet,
}

impl Batch {
    /// Packs examples for training; every supervised token has weight 1. With `share`, shared prefixes and equal tiles
    /// are computed once; without it, each example has rows and tiles of its own.
    ///
    /// # Errors
    /// When [`Processor::encode`] fails for an example.
    pub fn new<'a>(
        processor: &Processor,
        examples: impl IntoIterator<Item = &'a EncodableExample>,
        share: bool,
    ) -> Result<Self, ProcessorError> {
        Self::weighted(processor, examples.into_iter().map(|example| (example, 1.0)), share)
    }

    /// Packs examples like [`Batch::new`], each with a weight that all its supervised tokens get in the loss.
    ///
    /// # Errors
    /// When [`Processor::encode`] fails for an example.
    pub fn weighted<'a>(
        processor: &Processor,
        examples: impl IntoIterator<Item = (&'a EncodableExample, f32)>,
        share: bool,
    ) -> Result<Self, ProcessorError> {
        let mut tiles = TileSet { apart: !share, ..TileSet::default() };
        let sequences = supervised(processor, examples, &mut tiles)?;
        Ok(Self { layout: PackedSequences::pack(&sequences, share), tiles })
    }
}

/// Question whose options are scored in a batch, with gradients.
#[derive(Clone, Copy, Debug)]
pub struct OptionQuestion<'a> {
    /// Conversation that ends before the answer, with its images.
    pub example: &'a EncodableExample,
    /// Texts of the options.
    pub options: &'a [String],
    /// Number of the supervised example, from 0, that is this question with one of the options as its answer; None if
    /// there is none. Its sequence then serves for this option.
    pub answered_by: Option<usize>,
}

impl Batch {
    /// Packs examples like [`Batch::weighted`], and after them the options of `questions`, one sequence for each option
    /// with the end of its turn as [`Processor::encode_options`] gives it. An option that is the answer of a supervised
    /// example has no sequence of its own. Returns the batch, and for each question the index of each option's sequence.
    ///
    /// # Errors
    /// When [`Processor::encode`] fails for an example, or [`Processor::encode_options`] for a question.
    pub fn with_options<'a>(
        processor: &Processor,
        examples: impl IntoIterator<Item = (&'a EncodableExample, f32)>,
        questions: &[OptionQuestion<'_>],
        share: bool,
    ) -> Result<(Self, Vec<Vec<usize>>), ProcessorError> {
        let mut tiles = TileSet { apart: !share, ..TileSet::default() };
        let mut sequences = supervised(processor, examples, &mut tiles)?;
        let mut places = Vec::with_capacity(questions.len());
        for question in questions {
            let OptionQuestion { example, options, answered_by } = question;
            let (prompt, answers) = processor.encode_options(&example.conversation, &example.grids(), options)?;
            let mut of_options = Vec::with_capacity(answers.len());
            for answer in answers {
                let (ids, targets) = answered(&prompt, &answer);
                let serves = |index: &usize| {
                    let indices = |targets: &[Target]| targets.iter().map(|target| target.index).collect::<Vec<_>>();
                    sequences[*index].ids.starts_with(&ids) && indices(&sequences[*index].targets) == indices(&targets)
                };
                let place = answered_by.filter(serves).unwrap_or(sequences.len());
                if place == sequences.len() {
                    sequences.push(tiles.sequence(&prompt, &example.images, ids, targets));
                }
                of_options.push(place);
            }
            places.push(of_options);
        }
        Ok((Self { layout: PackedSequences::pack(&sequences, share), tiles }, places))
    }
}

/// Sequences of examples, each with a weight that all its supervised tokens get. Adds their tiles to `tiles`.
fn supervised<'a>(
    processor: &Processor,
    examples: impl IntoIterator<Item = (&'a EncodableExample, f32)>,
    tiles: &mut TileSet,
) -> Result<Vec<Sequence>, ProcessorError> {
    let sequence = |(example, weight): (&EncodableExample, f32)| {
        let encoded = processor.encode(&example.conversation, &example.grids(), false)?;
        let targets = encoded.targets().map(|index| Target { index, weight }).collect();
        Ok(tiles.sequence(&encoded, &example.images, encoded.ids.clone(), targets))
    };
    examples.into_iter().map(sequence).collect()
}

impl Batch {
    /// Returns the SHA-256 digest of each tile of the batch and its number of pixels, in order of first appearance. Tiles
    /// with equal digests have equal pixels.
    pub fn distinct_tiles(&self) -> impl Iterator<Item = ([u8; 32], usize)> {
        self.tiles.tiles.iter().map(|tile| (tile.digest(), tile.size().iter().product()))
    }

    /// Returns the number of tiles to encode. Equal tiles count once if the batch was packed with `share`.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.tiles.tiles.len()
    }

    /// Returns the number of pixels of all tiles to encode, each with three channels.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.tiles.tiles.iter().map(|tile| tile.size().iter().product::<usize>()).sum()
    }
}

/// Tile of a preprocessed image.
#[derive(Clone, Debug)]
pub(crate) struct TileRef {
    /// Image of the tile.
    pub prepared: Arc<Prepared>,
    /// Index of the tile in its image, from 0.
    pub tile: usize,
}

impl TileRef {
    /// Returns the digest of the tile's pixels.
    pub fn digest(&self) -> TileDigest {
        self.prepared.digests[self.tile]
    }

    /// Returns height and width of the tile in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.prepared.grid.height, self.prepared.grid.width]
    }
}

/// Returns `prompt` followed by `answer`, a result of [`Processor::encode_options`], and the tokens of the answer as
/// targets of weight 1.
pub(crate) fn answered(prompt: &Encoded, answer: &[u32]) -> (Vec<u32>, Vec<Target>) {
    let ids: Vec<u32> = prompt.ids.iter().chain(answer).copied().collect();
    let targets = (prompt.ids.len()..ids.len()).map(|index| Target { index, weight: 1.0 }).collect();
    (ids, targets)
}

/// Tiles of a batch in order of appearance. Equal tiles stand once unless `apart` is set.
#[derive(Clone, Debug, Default)]
pub(crate) struct TileSet {
    /// Tiles in order of first appearance.
    pub tiles: Vec<TileRef>,
    /// Row of the first feature of each tile in the features of the set.
    firsts: HashMap<TileDigest, usize>,
    /// Number of features of all tiles.
    features: usize,
    apart: bool,
}

impl TileSet {
    /// Returns the row of the first of the `count` features of a tile in the features of the set, and adds the tile to the
    /// set unless an equal one is in it. A set with `apart` adds every tile. `tile` counts from 0 within `prepared`.
    pub fn first_feature(&mut self, prepared: &Arc<Prepared>, tile: usize, count: usize) -> usize {
        let digest = prepared.digests[tile];
        if self.apart {
            self.firsts.remove(&digest);
        }
        *self.firsts.entry(digest).or_insert_with(|| {
            self.tiles.push(TileRef { prepared: Arc::clone(prepared), tile });
            self.features += count;
            self.features - count
        })
    }

    /// Makes a sequence with the token ids `ids`, the `targets`, and the image spans of `encoded`, whose places must
    /// hold in `ids` too. Adds the tiles of `images` that the spans name to the set.
    pub fn sequence(
        &mut self,
        encoded: &Encoded,
        images: &[Arc<Prepared>],
        ids: Vec<u32>,
        targets: Vec<Target>,
    ) -> Sequence {
        let tiles = encoded
            .images
            .iter()
            .map(|span| TileSpan {
                start: span.start,
                len: span.len,
                first: self.first_feature(&images[span.image], span.tile, span.tile_features) + span.first,
                axes: span.axes,
            })
            .collect();
        Sequence { ids, tiles, targets }
    }
}
