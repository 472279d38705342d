//! What the model is handed: conversations with their pictures, packed with the tiles they show.

use std::collections::HashMap;
use std::sync::Arc;

use stepwise_data::conversation::Conversation;

use crate::feature_cache::TileDigest;
use crate::packed_sequences::{Layout, Sequence, Target, TileSpan};
use crate::processor::pixels::ImageGrid;
use crate::processor::{Encoded, Prepared, Processor, ProcessorError};

/// A conversation with its pictures.
#[derive(Clone, Debug)]
pub struct Example {
    /// What is said.
    pub conversation: Conversation,
    /// The pictures it shows, in order of appearance.
    pub images: Vec<Arc<Prepared>>,
}

impl Example {
    /// How its pictures were cut.
    #[must_use]
    pub fn grids(&self) -> Vec<ImageGrid> {
        self.images.iter().map(|image| image.grid).collect()
    }
}

/// A packed batch with the tiles it needs.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The rows.
    pub layout: Layout,
    pub(crate) tiles: TileSet,
}

impl Batch {
    /// Packs examples for training, each supervised token with weight 1; beginnings and pictures in common are computed once
    /// if `share`.
    ///
    /// # Errors
    /// As [`Processor::encode`].
    pub fn new<'a>(
        processor: &Processor,
        examples: impl IntoIterator<Item = &'a Example>,
        share: bool,
    ) -> Result<Self, ProcessorError> {
        Self::weighted(processor, examples.into_iter().map(|example| (example, 1.0)), share)
    }

    /// The same with a weight of each example's tokens in the loss.
    ///
    /// # Errors
    /// As [`Processor::encode`].
    pub fn weighted<'a>(
        processor: &Processor,
        examples: impl IntoIterator<Item = (&'a Example, f32)>,
        share: bool,
    ) -> Result<Self, ProcessorError> {
        let mut tiles = TileSet { apart: !share, ..TileSet::default() };
        let sequences = examples
            .into_iter()
            .map(|(example, weight)| {
                let encoded = processor.encode(&example.conversation, &example.grids(), false)?;
                let places = encoded.supervised.iter().enumerate().filter(|(_, on)| **on);
                let targets = places.map(|(index, _)| Target { index, weight }).collect();
                Ok(tiles.sequence(&encoded, &example.images, encoded.ids.clone(), targets))
            })
            .collect::<Result<Vec<_>, ProcessorError>>()?;
        Ok(Self { layout: Layout::pack(&sequences, share), tiles })
    }
}

impl Batch {
    /// What tells its tiles apart: equal digests have equal pixels.
    pub fn tile_digests(&self) -> impl Iterator<Item = [u8; 32]> {
        self.tiles.tiles.iter().map(TileRef::digest)
    }

    /// Tiles to encode, equal ones once where beginnings are shared.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.tiles.tiles.len()
    }
}

/// One tile of a prepared picture.
#[derive(Clone, Debug)]
pub(crate) struct TileRef {
    pub prepared: Arc<Prepared>,
    pub tile: usize,
}

impl TileRef {
    pub fn digest(&self) -> TileDigest {
        self.prepared.digests[self.tile]
    }
}

/// The tiles of a batch, numbered in order of appearance; equal ones once, unless they are kept apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct TileSet {
    pub tiles: Vec<TileRef>,
    numbers: HashMap<TileDigest, usize>,
    apart: bool,
}

impl TileSet {
    pub fn number(&mut self, prepared: &Arc<Prepared>, tile: usize) -> usize {
        let digest = prepared.digests[tile];
        if self.apart {
            self.numbers.remove(&digest);
        }
        *self.numbers.entry(digest).or_insert_with(|| {
            self.tiles.push(TileRef { prepared: Arc::clone(prepared), tile });
            self.tiles.len() - 1
        })
    }

    /// A sequence whose image spans are those of `encoded`.
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
                tile: self.number(&images[span.image], span.tile),
            })
            .collect();
        Sequence { ids, tiles, targets }
    }
}
