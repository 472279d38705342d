//! Memory layout of the keys and values of one head of one tree, as left operands of products.

use crate::AttentionPlan;
use crate::attention::heads::HeadShape;
use crate::attention::plan::Block;
use crate::tile::{COLUMNS, ROWS, interleave};

/// Layout of one tree of segments: a root segment and all its descendants in the plan. Its keys lie in tiles
/// of [`ROWS`].
pub struct Tree {
    /// Blocks of neighbouring query rows, in the order of the plan.
    pub blocks: Vec<Block>,
    /// Indices of the plan's segments whose tokens are keys, that is all but the silent ones of this tree, ascending.
    pub segments: Vec<usize>,
    /// First tile and number of tiles of each of `segments`.
    places: Vec<(usize, usize)>,
    /// Number of tiles of all keys; every segment starts a new tile.
    pub tiles: usize,
}

impl Tree {
    /// Makes the layout of every tree of a plan, in order of the tree numbers. A query block has at most `height` rows.
    pub fn all(plan: &AttentionPlan, height: usize) -> Vec<Self> {
        let count = plan.segments().iter().map(|placed| placed.tree + 1).max().unwrap_or(0);
        let empty = || Self { blocks: Vec::new(), segments: Vec::new(), places: Vec::new(), tiles: 0 };
        let mut trees: Vec<Self> = (0..count).map(|_| empty()).collect();
        for (segment, placed) in plan.segments().iter().enumerate().filter(|(_, placed)| !placed.silent) {
            let tree = &mut trees[placed.tree];
            tree.segments.push(segment);
            let tiles = placed.own.len().div_ceil(ROWS);
            tree.places.push((tree.tiles, tiles));
            tree.tiles += tiles;
        }
        for block in plan.blocks(height) {
            trees[plan.segments()[block.segments.start].tree].blocks.push(block);
        }
        trees
    }

    /// Returns the first tile of a segment, counted from 0 within the tree. `segment` is an index of the plan; the
    /// result is 0 for a segment without keys in this tree.
    pub fn first_tile(&self, segment: usize) -> usize {
        self.place(segment).0
    }

    /// Returns the number of a segment's keys, rounded up to whole tiles; 0 for a segment without keys in this tree.
    pub fn whole_rows(&self, segment: usize) -> usize {
        self.place(segment).1 * ROWS
    }

    fn place(&self, segment: usize) -> (usize, usize) {
        self.segments.binary_search(&segment).map_or((0, 0), |index| self.places[index])
    }

    /// Lays out head `kv_head` of `values`, `[keys, kv_width]`, as left operands with the head's features as inner
    /// side. Returns `[tiles][head_dim][ROWS]`, with zeros where a tile has no key.
    ///
    /// # Panics
    /// When `values` is shorter than the keys of the plan.
    pub fn by_key(&self, plan: &AttentionPlan, values: &[f32], kv_head: usize, shape: HeadShape) -> Vec<f32> {
        let mut out = vec![0.0; self.tiles * shape.head_dim * ROWS];
        for segment in &self.segments {
            let own = &plan.segments()[*segment].own;
            let at = own.start * shape.kv_width() + kv_head * shape.head_dim;
            let out = &mut out[self.first_tile(*segment) * shape.head_dim * ROWS..];
            if !own.is_empty() {
                interleave::<_, ROWS>(&values[at..], own.len(), shape.head_dim, shape.kv_width(), out);
            }
        }
        out
    }

    /// Lays out head `kv_head` of `values`, `[keys, kv_width]`, as left operands with the keys as inner side. Returns
    /// for each segment `[head_dim / ROWS, rounded up][tiles of the segment * ROWS][ROWS]`, with zeros where a tile has
    /// no key or feature.
    ///
    /// # Panics
    /// When `values` is shorter than the keys of the plan.
    pub fn by_feature(&self, plan: &AttentionPlan, values: &[f32], kv_head: usize, shape: HeadShape) -> Vec<f32> {
        let mut out = vec![0.0; self.tiles * ROWS * feature_tiles(shape) * ROWS];
        for segment in &self.segments {
            let own = &plan.segments()[*segment].own;
            let keys = self.whole_rows(*segment);
            let out = &mut out[self.feature_offset(*segment, shape)..];
            for (key, row) in own.clone().enumerate() {
                let line = &values[row * shape.kv_width() + kv_head * shape.head_dim..][..shape.head_dim];
                for (tile, features) in line.chunks(ROWS).enumerate() {
                    out[(tile * keys + key) * ROWS..][..features.len()].copy_from_slice(features);
                }
            }
        }
        out
    }

    /// Returns the index of a segment's first value in the result of [`Tree::by_feature`].
    pub fn feature_offset(&self, segment: usize, shape: HeadShape) -> usize {
        self.first_tile(segment) * ROWS * feature_tiles(shape) * ROWS
    }
}

/// Returns the number of tiles of [`ROWS`] features that hold one head.
pub fn feature_tiles(shape: HeadShape) -> usize {
    shape.head_dim.div_ceil(ROWS)
}

/// Returns the number of panels of [`COLUMNS`] features that hold one head.
pub fn feature_panels(shape: HeadShape) -> usize {
    shape.head_dim.div_ceil(COLUMNS)
}
