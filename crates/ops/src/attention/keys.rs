//! Keys and values of one head of one tree, laid out as left operands of products.

use crate::Plan;
use crate::attention::heads::Heads;
use crate::attention::plan::Block;
use crate::tile::{COLUMNS, ROWS, interleave};

/// A tree of segments: what the kernels need to know before they look at any values.
pub struct Tree {
    /// Its rows of queries.
    pub blocks: Vec<Block>,
    /// Its segments whose tokens are keys, in order.
    pub segments: Vec<usize>,
    /// First tile of each of the plan's segments, and how many it fills, as far as they are this tree's.
    places: Vec<(usize, usize)>,
    /// Tiles of all keys: every segment starts a new one.
    pub tiles: usize,
}

impl Tree {
    /// The trees of a plan, their queries in blocks of at most `height` rows.
    pub fn all(plan: &Plan, height: usize) -> Vec<Self> {
        let count = plan.segments().iter().map(|placed| placed.tree + 1).max().unwrap_or(0);
        let empty =
            || Self { blocks: Vec::new(), segments: Vec::new(), places: vec![(0, 0); plan.segments().len()], tiles: 0 };
        let mut trees: Vec<Self> = (0..count).map(|_| empty()).collect();
        for (segment, placed) in plan.segments().iter().enumerate().filter(|(_, placed)| !placed.silent) {
            let tree = &mut trees[placed.tree];
            tree.segments.push(segment);
            let tiles = placed.own.len().div_ceil(ROWS);
            tree.places[segment] = (tree.tiles, tiles);
            tree.tiles += tiles;
        }
        for block in plan.blocks(height) {
            trees[plan.segments()[block.segments.start].tree].blocks.push(block);
        }
        trees
    }

    /// First tile of one of its segments.
    pub fn first_tile(&self, segment: usize) -> usize {
        self.places[segment].0
    }

    /// Keys of one of its segments, filled up to whole tiles.
    pub fn whole_rows(&self, segment: usize) -> usize {
        self.places[segment].1 * ROWS
    }

    /// Rows of `values`, `[keys, kv_width]`, of one head as left operands whose inner side is the head's: `[tiles][head_dim]
    /// [ROWS]`.
    pub fn by_key(&self, plan: &Plan, values: &[f32], kv_head: usize, shape: Heads) -> Vec<f32> {
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

    /// The same values as left operands whose inner side is the keys: for each segment `[head_dim / ROWS, rounded up][its
    /// tiles * ROWS][ROWS]`.
    pub fn by_feature(&self, plan: &Plan, values: &[f32], kv_head: usize, shape: Heads) -> Vec<f32> {
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

    /// Where a segment starts in [`Tree::by_feature`].
    pub fn feature_offset(&self, segment: usize, shape: Heads) -> usize {
        self.first_tile(segment) * ROWS * feature_tiles(shape) * ROWS
    }
}

/// Tiles that a head's features make.
pub fn feature_tiles(shape: Heads) -> usize {
    shape.head_dim.div_ceil(ROWS)
}

/// Panels that a head's features make.
pub fn feature_panels(shape: Heads) -> usize {
    shape.head_dim.div_ceil(COLUMNS)
}
