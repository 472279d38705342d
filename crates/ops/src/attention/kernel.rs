//! Attention kernel for the CPU. A unit of work is a panel of queries and all keys that they attend to. The scores lie
//! in a scratch buffer, `[keys][COLUMNS]`, so that the softmax runs down the columns and the product with the values
//! reads the buffer as its right operand.
#![allow(unsafe_code)] // Tasks write disjoint rows and columns of one buffer (`matmul::Shared`).

use std::ops::Range;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::Kept;
use super::heads::HeadShape;
use super::keys::{Tree, feature_panels, feature_tiles};
use super::panel::{block_rows, panels};
use crate::attention::plan::Block;
use crate::matmul::Shared;
use crate::tile::{COLUMNS, ROWS, interleave, tile};
use crate::{AttentionPlan, cpu, simd};

/// Returns the attention output, `[queries, width]`, and for the backward pass the natural logarithm of each row's sum
/// of exponentials, `[heads, queries]`. `q` is `[queries, width]`; `k` and `v` are `[keys, kv_width]`; all are
/// contiguous and fit `plan` and `shape`.
///
/// # Panics
/// When a tensor is not contiguous `f32`, or does not fit.
pub fn forward(
    q: &FlexTensor,
    k: &FlexTensor,
    v: &FlexTensor,
    plan: &AttentionPlan,
    shape: HeadShape,
) -> (FlexTensor, Vec<f32>) {
    let (q_values, k_values, v_values) = (cpu::slice(q), cpu::slice(k), cpu::slice(v));
    let queries = plan.queries();
    let mut out = vec![0.0; queries * shape.width()];
    let mut log_sums = vec![0.0; shape.heads * queries];
    let (out_shared, sums_shared) = (Shared::new(&mut out), Shared::new(&mut log_sums));
    let trees = Tree::all(plan, block_rows(shape));
    let packed: Vec<(Vec<f32>, Vec<f32>)> = (0..trees.len() * shape.kv_heads)
        .into_par_iter()
        .map(|task| {
            let (tree, kv_head) = (&trees[task / shape.kv_heads], task % shape.kv_heads);
            (tree.by_key(plan, k_values, kv_head, shape), tree.by_feature(plan, v_values, kv_head, shape))
        })
        .collect();
    let tasks: Vec<(usize, &Block, usize)> = trees
        .iter()
        .enumerate()
        .flat_map(|(tree, it)| (0..shape.kv_heads).flat_map(move |head| it.blocks.iter().map(move |b| (tree, b, head))))
        .collect();
    tasks.par_iter().for_each_init(Scratch::default, |scratch, (tree, block, kv_head)| {
        let (keys, values) = &packed[tree * shape.kv_heads + kv_head];
        let tree = &trees[*tree];
        for panel in panels(plan, block, *kv_head, shape) {
            panel.side_by_side(q_values, shape.scale, &mut scratch.query);
            let seen = scratch.scores(plan, tree, block, keys, shape);
            for part in &seen {
                panel.hide(plan, part.segment, &part.keys, part.of(&mut scratch.scores), f32::NEG_INFINITY);
            }
            let most = simd::column_max(&scratch.scores);
            let sums = simd::column_exp_and_sum(&mut scratch.scores, &most);
            // `exp` is clamped, so hidden scores are tiny but not zero.
            for part in &seen {
                panel.hide(plan, part.segment, &part.keys, part.of(&mut scratch.scores), 0.0);
            }
            scratch.weighted(tree, &seen, values, shape);
            for (column, (row, head)) in panel.columns().iter().enumerate() {
                // SAFETY: only this task uses this row of this head.
                let (out, log_sum) = unsafe {
                    let at = row * shape.width() + head * shape.head_dim;
                    (out_shared.slice(at, shape.head_dim), sums_shared.slice(head * queries + row, 1))
                };
                let inverse = 1.0 / sums[column];
                for (out, value) in out.iter_mut().zip(scratch.result[column..].iter().step_by(COLUMNS)) {
                    *out = value * inverse;
                }
                log_sum[0] = most[column] + sums[column].ln();
            }
        }
    });
    (cpu::from_vec(out, &[queries, shape.width()]), log_sums)
}

/// Returns the gradients with respect to `q`, `k` and `v`, in this order and in row order with the shapes of the
/// arguments. `d_out` is the gradient of the output, `[queries, width]`.
///
/// # Panics
/// When `d_out` is not contiguous `f32`, or has another shape.
pub fn backward(kept: &Kept, d_out: &FlexTensor) -> [Vec<f32>; 3] {
    let Kept { plan, shape, .. } = kept;
    let mut d_q = vec![0.0; plan.queries() * shape.width()];
    let (mut d_k, mut d_v) = (vec![0.0; plan.keys() * shape.kv_width()], vec![0.0; plan.keys() * shape.kv_width()]);
    let shared = [Shared::new(&mut d_q), Shared::new(&mut d_k), Shared::new(&mut d_v)];
    let trees = Tree::all(plan, block_rows(*shape));
    // One task per tree and key/value head: no other task uses its columns of the three gradients.
    (0..trees.len() * shape.kv_heads).into_par_iter().with_max_len(1).for_each(|task| {
        head_backward(kept, cpu::slice(d_out), &trees[task / shape.kv_heads], task % shape.kv_heads, &shared);
    });
    [d_q, d_k, d_v]
}

/// Backward pass of one key/value head of one tree: writes its rows and columns of all three gradients.
fn head_backward(kept: &Kept, d_out: &[f32], tree: &Tree, kv_head: usize, [d_q, d_k, d_v]: &[Shared<'_>; 3]) {
    let Kept { q, k, v, out, log_sums, plan, shape } = kept;
    let (q, k, v, out) = (cpu::slice(q), cpu::slice(k), cpu::slice(v), cpu::slice(out));
    let (shape, queries) = (*shape, plan.queries());
    let keys = tree.by_key(plan, k, kv_head, shape);
    let values = tree.by_key(plan, v, kv_head, shape);
    let key_features = tree.by_feature(plan, k, kv_head, shape);
    let side = feature_panels(shape) * COLUMNS;
    let (mut own_d_k, mut own_d_v) = (vec![0.0; tree.tiles * ROWS * side], vec![0.0; tree.tiles * ROWS * side]);
    let (mut forth, mut back) = (Scratch::default(), Scratch::default());
    let (mut q_stacked, mut d_stacked, mut left) = (Vec::new(), Vec::new(), vec![0.0; COLUMNS * ROWS]);
    for block in &tree.blocks {
        for panel in panels(plan, block, kv_head, shape) {
            panel.side_by_side(q, shape.scale, &mut forth.query);
            panel.side_by_side(d_out, 1.0, &mut back.query);
            panel.stacked(q, shape.scale, &mut q_stacked);
            panel.stacked(d_out, 1.0, &mut d_stacked);
            let log_sum = panel.each(|row, head| log_sums[head * queries + row]);
            let d_mean = panel.each(|row, head| {
                let at = row * shape.width() + head * shape.head_dim;
                simd::dot(&out[at..at + shape.head_dim], &d_out[at..at + shape.head_dim])
            });
            let seen = forth.scores(plan, tree, block, &keys, shape);
            back.scores(plan, tree, block, &values, shape);
            simd::column_softmax_backward(&mut forth.scores, &mut back.scores, &log_sum, &d_mean);
            for part in &seen {
                panel.hide(plan, part.segment, &part.keys, part.of(&mut forth.scores), 0.0);
                panel.hide(plan, part.segment, &part.keys, part.of(&mut back.scores), 0.0);
                let first = tree.first_tile(part.segment) + part.first_tile();
                for (scores, own, right) in
                    [(&mut back.scores, &mut own_d_k, &q_stacked), (&mut forth.scores, &mut own_d_v, &d_stacked)]
                {
                    for (index, scores) in part.of(scores).chunks_exact(ROWS * COLUMNS).enumerate() {
                        interleave::<_, ROWS>(scores, ROWS, COLUMNS, COLUMNS, &mut left);
                        for (place, right) in right.chunks_exact(COLUMNS * COLUMNS).enumerate() {
                            let own = &mut own[(first + index) * ROWS * side + place * COLUMNS..];
                            tile(COLUMNS, &left, right, own, side, true);
                        }
                    }
                }
            }
            back.weighted(tree, &seen, &key_features, shape);
            for (column, (row, head)) in panel.columns().iter().enumerate() {
                // SAFETY: only this task uses this row of this head.
                let d_q = unsafe { d_q.slice(row * shape.width() + head * shape.head_dim, shape.head_dim) };
                for (d_q, value) in d_q.iter_mut().zip(back.result[column..].iter().step_by(COLUMNS)) {
                    *d_q = value * shape.scale;
                }
            }
        }
    }
    for segment in &tree.segments {
        for (key, row) in plan.segments()[*segment].own.clone().enumerate() {
            let from = (tree.first_tile(*segment) * ROWS + key) * side;
            for (target, own) in [(d_k, &own_d_k), (d_v, &own_d_v)] {
                // SAFETY: only this task uses these columns of its tree's rows.
                let target = unsafe { target.slice(row * shape.kv_width() + kv_head * shape.head_dim, shape.head_dim) };
                target.copy_from_slice(&own[from..from + shape.head_dim]);
            }
        }
    }
}

/// Part of a panel's scores: the keys of one segment.
struct Part {
    segment: usize,
    /// Keys from the first to the last that some query of the panel attends to, counted within the segment. Scores
    /// before and after them only fill the first and last tile.
    keys: Range<usize>,
    /// First row of the part in the scores.
    start: usize,
}

impl Part {
    /// Tile of the segment that holds the first key. Keys before it, outside every query's window, have no scores.
    fn first_tile(&self) -> usize {
        self.keys.start / ROWS
    }

    /// Number of score rows of the part: the whole tiles that hold its keys.
    fn rows(&self) -> usize {
        (self.keys.end.div_ceil(ROWS) - self.first_tile()) * ROWS
    }

    /// The part's rows of the scores, `[rows][COLUMNS]`.
    fn of<'a>(&self, scores: &'a mut [f32]) -> &'a mut [f32] {
        &mut scores[self.start * COLUMNS..(self.start + self.rows()) * COLUMNS]
    }
}

/// Buffers of one panel, reused for the next panel.
#[derive(Default)]
struct Scratch {
    /// Right operand of the score products, `[head_dim][COLUMNS]`.
    query: Vec<f32>,
    /// Scores or gradients of probabilities, `[keys][COLUMNS]`; every segment's keys are rounded up to whole tiles.
    scores: Vec<f32>,
    /// Weighted sum of values, `[head_dim, rounded up to tiles][COLUMNS]`.
    result: Vec<f32>,
}

impl Scratch {
    /// Fills the scores with products of keys (or values), `[tiles][head_dim][ROWS]`, and the panel's right operand.
    /// Covers all keys that the block attends to; returns the parts of the scores, one per segment.
    fn scores(
        &mut self,
        plan: &AttentionPlan,
        tree: &Tree,
        block: &Block,
        keys: &[f32],
        shape: HeadShape,
    ) -> Vec<Part> {
        let mut start = 0;
        let parts: Vec<Part> = plan
            .seen(block)
            .into_iter()
            .map(|(segment, keys)| {
                let part = Part { segment, keys, start };
                start += part.rows();
                part
            })
            .collect();
        self.scores.resize(start * COLUMNS, 0.0);
        for part in &parts {
            let keys = &keys[(tree.first_tile(part.segment) + part.first_tile()) * shape.head_dim * ROWS..];
            let left = keys.chunks_exact(shape.head_dim * ROWS);
            for (scores, left) in part.of(&mut self.scores).chunks_exact_mut(ROWS * COLUMNS).zip(left) {
                tile(shape.head_dim, left, &self.query, scores, COLUMNS, false);
            }
        }
        parts
    }

    /// Fills the result with the sum over keys of scores times values; `values` are laid out by [`Tree::by_feature`].
    fn weighted(&mut self, tree: &Tree, parts: &[Part], values: &[f32], shape: HeadShape) {
        self.result.clear();
        self.result.resize(feature_tiles(shape) * ROWS * COLUMNS, 0.0);
        for part in parts {
            let values = &values[tree.feature_offset(part.segment, shape)..];
            let whole = tree.whole_rows(part.segment);
            for (place, result) in self.result.chunks_exact_mut(ROWS * COLUMNS).enumerate() {
                let left = &values[(place * whole + part.first_tile() * ROWS) * ROWS..];
                tile(part.rows(), left, &self.scores[part.start * COLUMNS..], result, COLUMNS, true);
            }
        }
    }
}
