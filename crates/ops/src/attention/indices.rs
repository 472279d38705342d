//! Division of a plan as tensors: index lists and masks, made once for a plan on the device of its queries.

use std::ops::Range;
use std::sync::OnceLock;

use burn::tensor::Device;

use super::levels::{Batch, KeyPlaces, Level, Piece, divide};
use super::mask::Mask;
use super::parts::Limit;
use super::rows::{Collected, Rows};
use crate::AttentionPlan;

/// Bytes of one value of a mask on the devices that take most.
const MASK_BYTES: usize = 4;

/// Division of a plan with its index lists and masks.
#[derive(Debug)]
pub struct Indices {
    /// Number of query heads that the sizes of the pieces hold for.
    pub heads: usize,
    /// Levels from the roots downwards; not empty for a plan with queries.
    pub levels: Vec<LevelIndices>,
    key_places: [KeyPlaces; 2],
    key_lists: OnceLock<[Collected; 2]>,
    device: Device,
}

/// Products of one level of ancestry.
#[derive(Debug)]
pub struct LevelIndices {
    /// Batches in order.
    pub batches: Vec<BatchIndices>,
    /// Order of the plan's query rows in the rows of all pieces.
    pub collected: Collected,
}

/// Keys of one batch with its products.
#[derive(Debug)]
pub struct BatchIndices {
    /// Whether the queries are the own rows of the keys' segments.
    pub own: bool,
    /// Number of parts.
    pub parts: usize,
    /// Rows of `k`, `[parts * keys]`.
    pub rows: Rows,
    /// Number of keys of a part, padding included.
    pub keys: usize,
    /// Products in order.
    pub pieces: Vec<PieceIndices>,
}

/// One product.
#[derive(Debug)]
pub struct PieceIndices {
    /// Rows of `q`, `[parts * queries]`.
    pub rows: Rows,
    /// Number of queries of a part, padding included.
    pub queries: usize,
    /// Range of each part's keys.
    pub keys: Range<usize>,
    /// Mask; None where each query attends to all keys.
    pub mask: Option<Mask>,
}

impl Indices {
    /// Divides `plan` so that the scores of one product of `heads` heads take at most `bytes` bytes in f32, and makes
    /// the index lists on `device`, which has no autodiff graph.
    ///
    /// # Panics
    /// When `heads` is 0.
    pub fn new(plan: &AttentionPlan, heads: usize, bytes: usize, device: &Device) -> Self {
        let division = divide(plan, Limit::of(bytes, heads));
        let pieces = division.levels.iter().flat_map(Level::pieces).filter(|piece| piece.hides());
        let keep_masks = pieces.map(Piece::scores).sum::<usize>() <= bytes / MASK_BYTES;
        let piece_of = |piece: &Piece, parts: usize| PieceIndices {
            rows: Rows::new(&piece.queries, plan.queries(), device),
            queries: piece.queries.len() / parts,
            keys: piece.keys.clone(),
            mask: piece.hides().then(|| Mask::new(&piece.visible, parts, piece.keys.len(), keep_masks, device)),
        };
        let batch_of = |batch: &Batch| BatchIndices {
            own: batch.own,
            parts: batch.parts,
            rows: Rows::new(&batch.keys, plan.keys(), device),
            keys: batch.keys.len() / batch.parts,
            pieces: batch.pieces.iter().map(|piece| piece_of(piece, batch.parts)).collect(),
        };
        let level_of = |level: &Level| {
            let count = level.pieces().map(|piece| piece.queries.len()).sum();
            let collected = Collected::new(&level.places, count, device);
            LevelIndices { batches: level.batches.iter().map(batch_of).collect(), collected }
        };
        let levels = division.levels.iter().map(level_of).collect();
        Self { heads, levels, key_places: division.key_places, key_lists: OnceLock::new(), device: device.clone() }
    }

    /// Returns the order of the plan's keys in the keys of all batches of descendants' rows (first) and of own rows
    /// (second). Only the backward pass needs it, so that it is made at the first call.
    pub fn key_lists(&self) -> &[Collected; 2] {
        self.key_lists.get_or_init(|| {
            self.key_places.each_ref().map(|keys| Collected::new(&keys.places, keys.count, &self.device))
        })
    }
}
